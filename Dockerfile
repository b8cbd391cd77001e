FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY bot ./bot
# The languages are compiled here, for whoever runs it may write nothing beside them.
RUN python -m venv /opt/easel && /opt/easel/bin/pip install --no-cache-dir . \
    && cd / && /opt/easel/bin/python -c "\
from bot.chat.texts.languages import languages, translations; \
[translations(name) for name in languages()]"

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home --home-dir /home/easel easel \
    && install -d -o easel -g easel /data
COPY --from=build /opt/easel /opt/easel
ENV PATH=/opt/easel/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    DATA_DIR=/data \
    DATABASE_URL=sqlite:////data/easel.db
USER easel
WORKDIR /data
VOLUME /data
# The process answers, unless OPS_PORT=0 keeps it from it; /readyz also says whether Discord and the
# database do.
HEALTHCHECK --interval=30s --timeout=3s --start-period=20s CMD ["python", "-c", "\
import os, urllib.request as u; \
said = (os.environ.get('OPS_PORT') or '').split('#')[0].strip(chr(34) + chr(39) + ' '); \
port = int(said or 8080); \
port and u.urlopen(f\"http://127.0.0.1:{port}/healthz\", timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["easel"]
CMD ["run"]
