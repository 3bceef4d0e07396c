"""The configuration, and the shapes of what was pasted into it."""

import stat
from collections.abc import Iterator

from bot.channels.callback import CallbackSettings
from bot.channels.envelope import Keys
from bot.config import Config
from bot.doctor.finding import Finding, broken, ok, warning


def configuration(config: Config) -> Iterator[Finding]:
    """The file itself, the channels, and the shapes of what was pasted into them."""
    if config.path is None:
        yield warning("配置", "没有配置文件，用的都是默认值", "用 linli init 生成一份 config.toml")
    else:
        yield ok("配置", f"{config.path} 没有问题")
        if any(config.origins[one.path] == "文件" for one in config.listing() if one.secret and one.value):
            mode = stat.S_IMODE(config.path.stat().st_mode)
            if mode & 0o077:
                yield warning("配置", "配置文件里有密钥，别的用户也能读", f"chmod 600 {config.path}")
    if not config.channels and not config.simulator.enabled:
        yield warning("通道", "一个通道也没有，谁也没法和机器人说话", "在 [channels] 里加一个，或打开 [simulator]")
    for name, settings in config.channels.items():
        # Every shape was checked when the configuration was read; here it is tried as the channel will use it.
        if isinstance(settings, CallbackSettings):
            try:
                keys_of(settings)
            except ValueError as error:
                yield broken(f"通道 {name}", f"EncodingAESKey 解不开（{error}）", "请从后台原样复制 43 位")
                continue
            corp = getattr(settings, "corp_id", "")
            if corp and not corp.startswith(("ww", "wx")):
                yield warning(f"通道 {name}", f"企业 ID {corp} 不像是企业微信的", "在后台“我的企业”页最下方核对")
                continue
        yield ok(f"通道 {name}", f"{settings.kind} 的凭证格式正确")


def keys_of(settings: CallbackSettings) -> Keys:
    receive_id = str(getattr(settings, "corp_id", "") or getattr(settings, "receive_id", ""))
    return Keys(settings.token.get_secret_value(), settings.aes_key.get_secret_value(), receive_id)
