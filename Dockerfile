# 邻里的镜像：不用 root，账本和备份都在 /data。说明见 docs/operating.md。
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends fonts-wqy-microhei \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin linli \
    && mkdir -p /data/var/backup \
    && chown -R linli:linli /data

WORKDIR /opt/linli
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY bot bot
COPY handlers handlers
COPY jobs jobs
COPY models models
RUN pip install --no-cache-dir --constraint constraints.txt .

USER linli
WORKDIR /data
VOLUME /data
# 容器里要听所有地址；对外只开哪个口，由 compose.yaml 决定。
ENV LINLI_HTTP__HOST=0.0.0.0 PYTHONUNBUFFERED=1
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["linli"]
CMD ["run"]
