// The simulator's page: one group chat seen from everybody's chair. What people type is shown as text, never as markup.

"use strict";

const PERSON = "dm:";
const EVERY_GROUP = "*";
const LINES_FIRST = 200;
const PAUSE_MINUTES = 5;
const WHISPERS_SHOWN = 3;
const PHOTO_SIDE = 1280;

/** Sentences to try, by the words of a role label; the first that fits. */
const EXAMPLES = [
  [/书记|管理/, ["活动", "审核", "帮助", "发布活动 周六9点 清洁家园 中心花园 20人 5分", "确认", "岗位 3", "发布岗位 图书管理岗 活动室 2人 每周两次 轻活 任期一年 3分", "加分 李建国 5 修灯", "签到方式 12 签到码 照片", "签到码 12", "广播 3栋 明早8点停水 回执", "绑定群 3栋"]],
  [/楼长|社工|网格|组长/, ["审核", "加分 李建国 5 修灯", "活动", "签到", "帮助"]],
  [/物业|业委/, ["活动", "报名 12", "签到", "积分", "帮助"]],
  [/陌生|访客|未/, ["绑定 张三 3栋", "绑定 张三 3栋201 1234", "同意", "帮助", "签到"]],
  [/./, ["活动", "报名 12 2人", "签到", "签退", "岗位", "腿脚不好的能干啥", "认领 3", "我的岗位", "积分", "排行榜", "取消报名 12", "撤销", "帮助"]],
];

const $ = (id) => document.getElementById(id);

/** What the server told. */
const world = {
  run: "", bot: "", community: "", people: new Map(), groups: new Map(), presets: [], places: [],
  entries: new Map(), cursor: 0, now: { iso: "", label: "" }, textMax: 4000,
};

/** What this tab looks at: who sits here, which conversation is open, up to which line each was read. */
const view = {
  me: "", open: "", read: {}, quote: null, shown: LINES_FIRST, unfolded: new Set(),
  sending: Promise.resolve(), following: true,
};

// Small tools -------------------------------------------------------------------------------------------------------

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null));
  return element;
}

function button(className, onPress, ...children) {
  const element = make("button", className, ...children);
  element.type = "button";
  element.addEventListener("click", onPress);
  return element;
}

/** Makes the children of `parent` be `items`, keeping the elements of what did not change: focus and place survive. */
function keep(parent, items) {
  const keys = new Set(items.map((item) => item.key));
  for (const child of [...parent.children]) {
    if (!keys.has(child.dataset.key)) child.remove();
  }
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = parent.firstElementChild;
  for (const { key, looks, build } of items) {
    let element = old.get(key);
    if (!element || element.dataset.looks !== looks) {
      const fresh = build();
      fresh.dataset.key = key;
      fresh.dataset.looks = looks;
      if (element) {
        const focused = element.contains(document.activeElement);
        if (before === element) before = fresh;
        element.replaceWith(fresh);
        if (focused) (fresh.querySelector("button, [tabindex]") || fresh).focus();
      }
      element = fresh;
    }
    if (element === before) before = before.nextElementSibling;
    else parent.insertBefore(element, before);
  }
}

async function call(path, body) {
  const request = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  let response;
  try {
    response = await fetch(path, request);
  } catch {
    throw new Error("连不上模拟器，请看看它是不是还开着。");
  }
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(content.error || "出了点问题，请再试一次。"), { status: response.status });
  return content;
}

function complain(element, sentence) {
  element.textContent = sentence || "";
  element.hidden = !sentence;
}

function avatar(name, key, kind = "", size = 2) {
  if (kind === "bot") {
    const image = make("img", "avatar");
    image.src = "/simulator/icon.svg";
    image.alt = "";
    return image;
  }
  let hash = 0;
  for (const letter of key) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  const letters = [...name];
  // A Chinese given name stands last; a group and a stranger are known by how they begin.
  const short = kind ? letters.slice(0, size) : letters.slice(-size);
  const element = make("span", `avatar ${kind || `c${hash % 8}`}`, short.join(""));
  element.setAttribute("aria-hidden", "true");
  return element;
}

const personOf = (id) => world.people.get(id) || { id, name: id, role: "", home: "" };
const kindOf = (person) => (person.role.includes("陌生") ? "stranger" : "");
const directOf = (id) => PERSON + id;
const isDirect = (conversation) => conversation.startsWith(PERSON);
const nameOf = (conversation) => (isDirect(conversation)
  ? personOf(conversation.slice(PERSON.length)).name : world.groups.get(conversation)?.name || conversation);
const clockOf = (label) => label.slice(label.lastIndexOf(" ") + 1);
/** What a line says or shows, for where there is room for words only. */
const gist = (entry) => oneLine(`${entry.photo ? "[照片] " : ""}${entry.place ? "[位置] " : ""}${entry.text}`);
const oneLine = (text) => text.replace(/\s+/g, " ").trim();

// What this tab remembers over a reload -----------------------------------------------------------------------------

function remember() {
  const { me, open, read } = view;
  sessionStorage.setItem("linli-simulator", JSON.stringify({ run: world.run, me, open, read }));
}

function recall() {
  let kept = {};
  try {
    kept = JSON.parse(sessionStorage.getItem("linli-simulator") || "{}");
  } catch {
    // Somebody else's entry under our name: begin anew.
  }
  const first = world.people.values().next().value;
  view.me = world.people.has(kept.me) ? kept.me : first ? first.id : "";
  view.read = kept.run === world.run && kept.read ? kept.read : {};
  const place = kept.open || "";
  const [group] = world.groups.keys();
  view.open = world.groups.has(place) ? place : isDirect(place) || !group ? directOf(view.me) : group;
}

// Lines -------------------------------------------------------------------------------------------------------------

function linesOf(conversation) {
  const lines = [];
  for (const entry of world.entries.values()) {
    if (entry.conversation === conversation) lines.push(entry);
    else if (entry.beside === conversation || (entry.beside === EVERY_GROUP && !isDirect(conversation))) {
      lines.push({ ...entry, whisper: true });
    }
  }
  return lines.sort((one, other) => one.id - other.id);
}

/** The last line and the number of unread ones of every conversation in which something was said. */
function summaries() {
  const all = new Map();
  for (const entry of world.entries.values()) {
    const summary = all.get(entry.conversation) || { last: entry, unread: 0 };
    if (entry.id > summary.last.id) summary.last = entry;
    if (entry.id > (view.read[entry.conversation] || 0) && entry.author !== view.me) summary.unread += 1;
    all.set(entry.conversation, summary);
  }
  return all;
}

function textWithMentions(text) {
  const element = make("div", "text");
  const pattern = new RegExp(`[@＠]${world.bot.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`, "g");
  let from = 0;
  for (const found of text.matchAll(pattern)) {
    element.append(text.slice(from, found.index), make("span", "at", found[0]));
    from = found.index + found[0].length;
  }
  element.append(text.slice(from));
  return element;
}

function lineElement(entry) {
  const ofBot = entry.author === "";
  const own = entry.author === view.me;
  const person = personOf(entry.author);
  const role = !ofBot && person.role && person.role !== "居民" ? make("span", "tag", person.role) : null;
  const badge = ofBot ? make("span", "tag bot", "机器人") : role;

  const bubble = make("div", "bubble");
  if (entry.quote) bubble.append(make("div", "quoted", `${entry.quote.name}：${entry.quote.text}`));
  if (entry.photo) {
    const image = make("img", "photo");
    image.src = entry.photo;
    image.alt = "照片";
    bubble.append(image);
  }
  if (entry.place) bubble.append(make("div", "place", `位置：${entry.place}`));
  if (entry.picture) bubble.append(pictureElement(entry));
  else if (entry.file) bubble.append(fileElement(entry.file));
  else if (entry.text) bubble.append(textWithMentions(entry.text));
  bubble.tabIndex = 0;
  bubble.setAttribute("role", "button");
  bubble.title = "点一下，引用这条消息";
  bubble.addEventListener("click", () => {
    if (document.getSelection().isCollapsed) chooseQuote(entry);
  });
  bubble.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    chooseQuote(entry);
  });

  const body = make("div", "body", make("div", "who", make("span", "", entry.name), badge), bubble);
  if (entry.buttons.length) body.append(buttonsElement(entry));
  if (entry.pressed) body.append(make("div", "note", `点了按钮「${entry.pressed}」`));
  if (entry.failed) {
    body.append(make("div", "note", button("", () => sendAgain(entry), "没有送达，点这里重发")));
  } else if (!entry.heard) {
    body.append(make("div", "note", `没有@${world.bot}，它听不到`));
  } else if (entry.again) {
    body.append(make("div", "note", "同一条消息又送了一次"));
  }
  const face = ofBot ? avatar(entry.name, "", "bot") : avatar(entry.name, entry.author, kindOf(person));
  const classes = ["line", own ? "own" : "", ofBot ? "bot" : "", view.quote?.id === entry.id ? "chosen" : ""];
  return make("li", classes.filter(Boolean).join(" "), face, body);
}

/** A file as a chat shows it: its name, to be saved by a tap. */
function fileElement(file) {
  const link = make("a", "file", file.name);
  link.href = file.url;
  link.download = file.name;
  link.addEventListener("click", (event) => event.stopPropagation());
  link.addEventListener("keydown", (event) => event.stopPropagation());
  return make("div", "", link);
}

/** A board as the group sees it; where the picture is gone, the words that it stands for. */
function pictureElement(entry) {
  const image = make("img", "placard");
  image.alt = entry.text;
  image.width = entry.picture.width;
  image.height = entry.picture.height;
  image.addEventListener("error", () => image.replaceWith(textWithMentions(entry.text)));
  image.src = entry.picture.url;
  return image;
}

// On the platform a press changes the card of whoever pressed; here one sees what is said by it, and the answer.
function buttonsElement(entry) {
  const mine = entry.done[view.me];
  const others = Object.keys(entry.done).length - (mine ? 1 : 0);
  const row = make("div", "buttons");
  for (const label of entry.buttons) {
    const done = label === mine;
    const one = button(done ? "press done" : "press", () => press(entry, label), done ? `✓ ${label}` : label);
    one.setAttribute("aria-pressed", String(done));
    row.append(one);
  }
  if (others > 0) row.append(make("span", "pressed-by", `${others}人点过`));
  return row;
}

function whisperElement(entry) {
  const to = nameOf(entry.conversation);
  const line = make("span", "", `${world.bot} 私信 ${to}：${oneLine(entry.text)}`);
  const open = button("", () => openConversation(entry.conversation), line);
  open.title = `看${world.bot}和${to}的私聊`;
  return make("li", "whisper", open);
}

function foldElement(key, count) {
  const open = button("", () => {
    view.unfolded.add(key);
    showLog();
  }, make("span", "", `还有 ${count} 条私信，点开看`));
  return make("li", "whisper", open);
}

function emptyElement() {
  const image = make("img", "");
  image.src = "/simulator/icon.svg";
  image.alt = "";
  const me = personOf(view.me).name;
  const where = isDirect(view.open) ? `这里是${me}和${world.bot}的私聊。` : `这里是${nameOf(view.open)}，你是${me}。`;
  return make("li", "empty", image, make("strong", "", where), `说一句“帮助”，${world.bot}会告诉你能做什么。`);
}

/** The lines of the open conversation with the times between them, as items for `keep`. */
function logItems() {
  const lines = linesOf(view.open);
  if (!lines.length) {
    return [{ key: "empty", looks: `${view.open} ${view.me}`, build: emptyElement }];
  }
  const items = [];
  const hidden = Math.max(0, lines.length - view.shown);
  if (hidden) {
    items.push({
      key: "earlier", looks: String(hidden), build: () => make("li", "earlier", button("", () => {
        view.shown += LINES_FIRST;
        showLog();
      }, `看更早的 ${hidden} 条消息`)),
    });
  }
  let last = null;
  let run = [];
  const closeRun = () => {
    if (!run.length) return;
    const key = `fold-${run[0].id}`;
    const folded = run.length > WHISPERS_SHOWN + 1 && !view.unfolded.has(key);
    for (const entry of folded ? run.slice(0, WHISPERS_SHOWN) : run) {
      items.push({ key: `whisper-${entry.id}`, looks: nameOf(entry.conversation), build: () => whisperElement(entry) });
    }
    const rest = run.length - WHISPERS_SHOWN;
    if (folded) items.push({ key, looks: String(rest), build: () => foldElement(key, rest) });
    run = [];
  };
  for (const entry of lines.slice(hidden)) {
    const at = Date.parse(entry.at.iso);
    if (last === null || at - last >= PAUSE_MINUTES * 60_000) {
      closeRun();
      items.push({ key: `when-${entry.id}`, looks: entry.at.label, build: () => make("li", "when", entry.at.label) });
    }
    last = at;
    if (entry.whisper) {
      run.push(entry);
      continue;
    }
    closeRun();
    const looks = [view.me, entry.failed, entry.heard, entry.again, view.quote?.id === entry.id,
      Object.entries(entry.done),
      personOf(entry.author).role].join();
    items.push({ key: `line-${entry.id}`, looks, build: () => lineElement(entry) });
  }
  closeRun();
  return items;
}

const atEnd = () => $("log").scrollHeight - $("log").scrollTop - $("log").clientHeight < 80;

function toEnd() {
  $("log").scrollTop = $("log").scrollHeight;
  $("newer").hidden = true;
  view.following = true;
}

function showLog({ jump = false, fresh = false } = {}) {
  const stay = !jump && !atEnd();
  keep($("log"), logItems());
  if (!stay) toEnd();
  else if (fresh) $("newer").hidden = false;
}

// Conversations -----------------------------------------------------------------------------------------------------

function conversationItem(conversation, summary, label, face) {
  const { last, unread } = summary || { last: null, unread: 0 };
  const current = conversation === view.open;
  const preview = last ? `${last.name}：${gist(last).slice(0, 60)}` : "还没有消息";
  return {
    key: conversation,
    last: last ? last.id : 0,
    looks: [label, preview, unread, current].join("\n"),
    build: () => {
      const lines = make("span", "lines", make("span", "label", label), make("span", "preview", preview));
      const count = unread ? make("span", "unread", unread > 99 ? "99+" : String(unread)) : null;
      if (count) count.setAttribute("aria-label", `${unread} 条未读`);
      const open = button("conversation", () => openConversation(conversation), face(), lines, count);
      if (current) open.setAttribute("aria-current", "true");
      return make("li", "", open);
    },
  };
}

function showConversations() {
  const said = summaries();
  const groups = [...world.groups.values()];
  keep($("groups"), groups.map((group) => conversationItem(
    group.address, said.get(group.address), group.name, () => avatar(group.name, group.address, "group"),
  )));

  const mine = directOf(view.me);
  const others = [...said.keys()].filter((conversation) => isDirect(conversation) && conversation !== mine);
  const direct = (conversation) => {
    const person = personOf(conversation.slice(PERSON.length));
    const label = conversation === mine ? `${person.name}（我）` : person.name;
    return conversationItem(conversation, said.get(conversation), label, () => avatar(person.name, person.id, kindOf(person)));
  };
  const rest = others.map(direct).sort((one, other) => other.last - one.last);
  keep($("directs"), [direct(mine), ...rest]);

  let unread = 0;
  let elsewhere = 0;
  for (const [conversation, summary] of said) {
    unread += summary.unread;
    if (conversation !== view.open) elsewhere += summary.unread;
  }
  $("unread-elsewhere").hidden = elsewhere === 0;
  document.title = `${unread ? `(${unread}) ` : ""}${world.community} · 群聊模拟器`;
}

function markRead() {
  if (document.hidden) return;
  let last = view.read[view.open] || 0;
  for (const entry of world.entries.values()) {
    if (entry.conversation === view.open) last = Math.max(last, entry.id);
  }
  view.read[view.open] = last;
  remember();
}

function openConversation(conversation) {
  if (isDirect(conversation)) view.me = conversation.slice(PERSON.length);
  view.open = conversation;
  view.shown = LINES_FIRST;
  chooseQuote(null);
  closePanels();
  complain($("problem"), "");
  showAll({ jump: true });
}

// Head, composer, clock ---------------------------------------------------------------------------------------------

function showHead() {
  const direct = isDirect(view.open);
  const me = personOf(view.me);
  $("title").textContent = direct ? `${me.name}和${world.bot}的私聊` : nameOf(view.open);
  $("subtitle").textContent = world.now.label;
  $("hears").hidden = direct;
  const hears = world.groups.get(view.open)?.hears;
  for (const choice of $("hears").querySelectorAll("button")) {
    choice.setAttribute("aria-pressed", String(choice.dataset.hears === hears));
  }
  const [time] = world.now.label.split(" ").slice(-1);
  $("clock-time").textContent = time;
  $("clock-date").textContent = `${world.now.iso.slice(0, 4)}年${world.now.label.slice(0, -time.length - 1)}`;
  const soonest = world.now.iso.slice(0, 16);
  $("moment").min = soonest;
  if (document.activeElement === $("moment")) return;
  if (!$("moment").value || $("moment").value < soonest) $("moment").value = soonest;
}

function showSeat() {
  const me = personOf(view.me);
  const arrow = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  arrow.setAttribute("viewBox", "0 0 24 24");
  arrow.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M6 9l6 6 6-6");
  arrow.append(path);
  const role = me.role && me.role !== me.name ? make("span", "seat-role", me.role) : "";
  $("seat").replaceChildren(
    avatar(me.name, me.id, kindOf(me), 1), make("span", "sr-only", "我是"), make("span", "seat-name", me.name), role, arrow,
  );
  $("mention").textContent = `@${world.bot}`;
  $("mention").hidden = isDirect(view.open);
  const [, sentences] = EXAMPLES.find(([pattern]) => pattern.test(me.role || "居民"));
  const fitting = sentences.filter((sentence) => !(isDirect(view.open) && sentence.startsWith("绑定群")));
  keep($("chips"), fitting.map((sentence) => ({
    key: sentence, looks: "", build: () => button("chip", () => typeIn(sentence), sentence),
  })));
}

function showQuoting() {
  $("quoting").hidden = view.quote === null;
  $("quoting-text").textContent = view.quote ? `引用 ${view.quote.name}：${gist(view.quote).slice(0, 120)}` : "";
}

function showAll({ jump = false, fresh = false } = {}) {
  markRead();
  showHead();
  showSeat();
  showConversations();
  showLog({ jump, fresh });
  showQuoting();
}

let waiting = null;

/** Draws once per frame, however many events came. */
function showSoon(fresh) {
  if (waiting !== null) {
    waiting = waiting || fresh;
    return;
  }
  waiting = fresh;
  setTimeout(() => {
    const isFresh = waiting;
    waiting = null;
    showAll({ fresh: isFresh });
  }, 16);
}

// Speaking ----------------------------------------------------------------------------------------------------------

function chooseQuote(entry) {
  view.quote = entry !== null && view.quote?.id === entry.id ? null : entry;
  showQuoting();
  showLog();
  if (view.quote) $("text").focus();
}

function grow() {
  const text = $("text");
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
}

function typeIn(sentence) {
  $("text").value = sentence;
  grow();
  $("text").focus();
}

function insertMention() {
  const text = $("text");
  const mention = `@${world.bot} `;
  const { selectionStart: from, selectionEnd: to, value } = text;
  const gap = from > 0 && !/\s/.test(value[from - 1]) ? " " : "";
  text.setRangeText(gap + mention, from, to, "end");
  grow();
  text.focus();
}

async function say(message) {
  const answer = await call(message.button ? "/simulator/press" : "/simulator/say", message);
  for (const entry of answer.entries) take(entry);
  return answer;
}

/** Sends what is typed; `shown` is a photo or a place that goes with it. */
function send(shown = {}) {
  const field = $("text");
  const typed = field.value;
  if (!typed.trim() && !Object.keys(shown).length) return;
  const quote = view.quote;
  const message = {
    as: view.me, in: isDirect(view.open) ? "" : view.open, text: typed.trim(), quote: quote ? quote.id : null,
    ...shown,
  };
  field.value = "";
  view.quote = null;
  grow();
  // One after the other: what was typed first arrives first.
  view.sending = view.sending.then(() => deliver(message, typed, quote));
}

function press(entry, label) {
  const message = { as: view.me, line: entry.id, button: label };
  view.sending = view.sending.then(async () => {
    try {
      await say(message);
      complain($("problem"), "");
    } catch (error) {
      complain($("problem"), error.message);
    }
    showAll({ jump: true });
  });
}

async function deliver(message, typed, quote) {
  let failure = null;
  try {
    await say(message);
  } catch (error) {
    failure = error;
  }
  complain($("problem"), failure?.message);
  // A failed delivery stands in the chat and can be repeated there; anything else goes back into the field.
  if (failure && failure.status !== 503 && !$("text").value) {
    $("text").value = typed;
    view.quote = quote;
    grow();
  }
  showAll({ jump: true });
}

async function sendAgain(entry) {
  const message = entry.pressed ? {
    as: entry.author, line: entry.card, button: entry.pressed, message_id: entry.message_id,
  } : {
    as: entry.author, in: isDirect(entry.conversation) ? "" : entry.conversation, text: entry.text,
    quote: entry.quote ? entry.quote.id : null, message_id: entry.message_id,
  };
  try {
    await say(message);
    complain($("problem"), "");
  } catch (error) {
    complain($("problem"), error.message);
  }
  showAll({ jump: true });
}

/** Scaled down here, so that a phone's picture need not be sent whole. */
async function sendPhoto(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, PHOTO_SIDE / Math.max(picture.width, picture.height));
    const canvas = make("canvas", "");
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    const [, photo] = canvas.toDataURL("image/jpeg", 0.85).split(",");
    send({ photo });
  } catch {
    complain($("problem"), "这张照片打不开，请换一张。");
  }
}

function openPlaces() {
  keep($("place-list"), world.places.map((place) => ({
    key: place.label, looks: "", build: () => make("li", "", button("person", () => {
      $("places").close();
      send({ place });
    }, make("span", "person-name", place.label))),
  })));
  $("places").showModal();
}

async function setHears(hears) {
  try {
    await call("/simulator/hears", { in: view.open, hears });
    world.groups.get(view.open).hears = hears;
    complain($("problem"), "");
  } catch (error) {
    complain($("problem"), error.message);
  }
  showHead();
}

// The clock ---------------------------------------------------------------------------------------------------------

function showPushes(answer) {
  const { now, pushes } = answer;
  $("pushes-title").textContent = pushes.length
    ? `走到了${now.label}，${world.bot}一路上说了 ${pushes.length} 次：` : `走到了${now.label}，这段时间没有要说的。`;
  $("pushes").replaceChildren(...pushes.map((push) => {
    const to = isDirect(push.conversation) ? `私信 ${push.to}` : push.to;
    const head = make("span", "push-head", make("strong", "", to), make("span", "", push.at.label));
    const open = button("push", () => openConversation(push.conversation), head, make("span", "push-text", push.text));
    return make("li", "", open);
  }));
}

async function move(body) {
  const controls = [...$("presets").querySelectorAll("button"), $("until").querySelector("button")];
  for (const control of controls) control.disabled = true;
  $("pushes-title").textContent = "正在往前走…";
  $("pushes").replaceChildren();
  try {
    const answer = await call("/simulator/clock", body);
    world.now = answer.now;
    complain($("clock-problem"), "");
    showPushes(answer);
    await refresh();
  } catch (error) {
    $("pushes-title").textContent = "时间没有动。";
    complain($("clock-problem"), error.message);
  }
  for (const control of controls) control.disabled = false;
  showAll();
}

function showPresets() {
  keep($("presets"), world.presets.map(({ preset, label }) => ({
    key: preset, looks: label, build: () => button("", () => move({ preset }), label),
  })));
}

// Who am I ----------------------------------------------------------------------------------------------------------

function showPeople() {
  const wanted = $("search").value.trim();
  const fits = (person) => [person.name, person.role, person.home].some((word) => word.includes(wanted));
  const found = [...world.people.values()].filter(fits);
  keep($("people"), found.map((person) => ({
    key: person.id,
    looks: [person.name, person.role, person.home, person.id === view.me].join("\n"),
    build: () => {
      const tag = person.role && person.role !== person.name ? make("span", "tag", person.role) : null;
      const choice = button(
        "person", () => sitDown(person.id), avatar(person.name, person.id, kindOf(person)),
        make("span", "person-name", person.name), tag, make("span", "person-home", person.home),
      );
      if (person.id === view.me) choice.setAttribute("aria-current", "true");
      return make("li", "", choice);
    },
  })));
  $("nobody").hidden = found.length > 0;
}

function sitDown(id) {
  $("picker").close();
  const direct = isDirect(view.open);
  view.me = id;
  if (direct) openConversation(directOf(id));
  else showAll();
  $("text").focus();
}

async function openPicker() {
  $("search").value = "";
  showPeople();
  $("picker").showModal();
  $("people").scrollTop = 0;
  $("search").focus();
  try {
    await refresh();
    showPeople();
  } catch {
    // The list that we have is good enough; the banner tells that the connection is lost.
  }
}

// The outbox --------------------------------------------------------------------------------------------------------

let shownMail = "waiting";

function letterElement(letter) {
  const element = make("li", "letter");
  const head = make("div", "letter-head", make("strong", "", `给${letter.to}`), make("span", "", letter.when));
  const why = make("p", "letter-why", letter.why ? `${letter.state}：${letter.why}` : letter.state);
  element.append(head, make("p", "letter-text", letter.text), why);
  const actions = make("div", "letter-actions");
  const wish = (kind, label) => button("", () => grant(letter.number, kind), label);
  if (letter.again && letter.doubt) {
    actions.append(button("", () => {
      // What may have arrived is not sent twice by one press.
      actions.replaceChildren(
        make("p", "letter-doubt", letter.doubt), wish("again", "还是再发"), button("", () => showMail(), "算了"),
      );
      actions.querySelector("button").focus();
    }, "再发一次"));
  } else if (letter.again) {
    actions.append(wish("again", "再发一次"));
  }
  if (letter.give_up) actions.append(wish("give_up", "不发了"));
  if (actions.children.length) element.append(actions);
  return element;
}

async function showMail(show = shownMail) {
  shownMail = show;
  try {
    const mail = await call(`/simulator/outbox?show=${show}`);
    if (mail.show !== shownMail) return;
    $("mail-tabs").replaceChildren(...mail.tabs.map((tab) => {
      const choice = button("", () => {
        complain($("mail-said"), "");
        showMail(tab.show);
      }, tab.count ? `${tab.label} ${tab.count}` : tab.label);
      choice.setAttribute("aria-pressed", String(tab.show === show));
      return choice;
    }));
    $("letters").replaceChildren(...mail.letters.map(letterElement));
    $("no-letters").hidden = mail.letters.length > 0;
    complain($("mail-broken"), mail.troubles.join("\n"));
    $("mail-rules").textContent = mail.rules.join("\n");
    $("mail-rules").hidden = mail.rules.length === 0;
    complain($("mail-problem"), "");
    $("mail-troubles").textContent = String(mail.troubles.length);
    $("mail-troubles").hidden = mail.troubles.length === 0;
  } catch (error) {
    complain($("mail-problem"), error.message);
  }
}

async function grant(number, wish) {
  let failure = "";
  try {
    complain($("mail-said"), (await call("/simulator/outbox", { number, wish })).said);
  } catch (error) {
    complain($("mail-said"), "");
    failure = error.message;
  }
  await showMail();
  if (failure) complain($("mail-problem"), failure);
}

function openMail() {
  closePanels();
  complain($("mail-said"), "");
  $("mail").showModal();
  showMail();
}

// Drawer and sheet on small screens ---------------------------------------------------------------------------------

function openPanel(name) {
  closePanels();
  $(name).classList.add("open");
  $("shade").classList.add("open");
  $("chat").inert = true;
  $(`${name}-open`).setAttribute("aria-expanded", "true");
  $(`${name}-close`).focus();
}

function closePanels() {
  $("chat").inert = false;
  $("shade").classList.remove("open");
  for (const name of ["nav", "clock"]) {
    const wasOpen = $(name).classList.contains("open");
    $(name).classList.remove("open");
    $(`${name}-open`).setAttribute("aria-expanded", "false");
    if (wasOpen) $(`${name}-open`).focus();
  }
}

// The connection ----------------------------------------------------------------------------------------------------

function take(entry) {
  const known = world.entries.has(entry.id);
  world.entries.set(entry.id, entry);
  return !known;
}

function takeState(state) {
  world.run = state.run;
  world.bot = state.bot;
  world.community = state.community;
  world.now = state.now;
  world.presets = state.presets;
  world.places = state.places;
  world.textMax = state.text_characters_max;
  world.people = new Map(state.people.map((person) => [person.id, person]));
  world.groups = new Map(state.groups.map((group) => [group.address, group]));
  world.cursor = state.cursor;
  for (const entry of state.entries) take(entry);
}

async function refresh() {
  const state = await call(`/simulator/state?since=${world.cursor}`);
  if (state.run !== world.run) await begin();
  else takeState(state);
}

let stream = null;

function connect() {
  stream?.close();
  stream = new EventSource(`/simulator/events?since=${world.cursor}`);
  const on = (kind, handle) => stream.addEventListener(kind, (event) => handle(JSON.parse(event.data), event));
  stream.addEventListener("open", () => { $("lost").hidden = true; });
  stream.addEventListener("error", () => {
    $("lost").hidden = false;
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  });
  on("hello", (hello) => {
    if (hello.run !== world.run) begin();
  });
  on("entry", (entry, event) => {
    world.cursor = Math.max(world.cursor, Number(event.lastEventId));
    showSoon(take(entry) && entry.conversation === view.open && entry.author !== view.me);
  });
  on("hears", ({ in: address, hears }) => {
    if (world.groups.has(address)) world.groups.get(address).hears = hears;
    showHead();
  });
  on("clock", (now) => {
    world.now = now;
    showHead();
  });
}

async function begin() {
  world.entries.clear();
  world.cursor = 0;
  takeState(await call("/simulator/state"));
  recall();
  for (const element of document.querySelectorAll(".bot-name")) element.textContent = world.bot;
  $("community").textContent = world.community;
  $("text").maxLength = world.textMax;
  showPresets();
  showAll({ jump: true });
  connect();
}

// Wiring ------------------------------------------------------------------------------------------------------------

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
$("text").addEventListener("input", grow);
$("text").addEventListener("keydown", (event) => {
  // An Enter that ends the choice of a Chinese word belongs to the input method.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  send();
});
$("mention").addEventListener("click", insertMention);
$("photo").addEventListener("change", () => {
  const [file] = $("photo").files;
  if (file) sendPhoto(file);
  $("photo").value = "";
});
$("place-open").addEventListener("click", openPlaces);
$("places-close").addEventListener("click", () => $("places").close());
$("places").addEventListener("click", (event) => { if (event.target === $("places")) $("places").close(); });
$("quoting-cancel").addEventListener("click", () => chooseQuote(null));
$("newer").addEventListener("click", toEnd);
$("log").addEventListener("scroll", () => {
  view.following = atEnd();
  if (view.following) $("newer").hidden = true;
});
// A picture takes its place when it is there: whoever was at the end stays there.
$("log").addEventListener("load", () => { if (view.following) toEnd(); }, true);
$("seat").addEventListener("click", openPicker);
$("picker-close").addEventListener("click", () => $("picker").close());
$("picker").addEventListener("click", (event) => { if (event.target === $("picker")) $("picker").close(); });
$("search").addEventListener("input", showPeople);
$("mail-open").addEventListener("click", openMail);
$("mail-close").addEventListener("click", () => $("mail").close());
$("mail").addEventListener("click", (event) => { if (event.target === $("mail")) $("mail").close(); });
$("nav-open").addEventListener("click", () => openPanel("nav"));
$("nav-close").addEventListener("click", closePanels);
$("clock-open").addEventListener("click", () => openPanel("clock"));
$("clock-close").addEventListener("click", closePanels);
$("shade").addEventListener("click", closePanels);
$("until").addEventListener("submit", (event) => {
  event.preventDefault();
  move({ to: $("moment").value });
});
for (const choice of $("hears").querySelectorAll("button")) {
  choice.addEventListener("click", () => setHears(choice.dataset.hears));
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || $("picker").open || $("places").open || $("mail").open) return;
  if ($("shade").classList.contains("open")) closePanels();
  else if (view.quote) chooseQuote(null);
});
document.addEventListener("visibilitychange", () => {
  // Browsers allow six connections to one host: a tab that nobody sees gives its own back.
  if (document.hidden) stream?.close();
  else if (world.run) {
    connect();
    showAll();
  }
});
window.addEventListener("resize", () => { if (atEnd()) toEnd(); });

begin().catch((error) => complain($("problem"), error.message));
