FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY bot ./bot
# Whoever runs it may write nothing there, so modules and languages are compiled here: the modules
# whatever the times of their files, which some builders change. One that is written for a newer
# Python does not compile, and is of no use here.
RUN python -m venv --without-pip /opt/easel \
    && pip --python /opt/easel/bin/python install --no-cache-dir --no-compile . \
    && find /opt/easel -type d -name tests -prune -exec rm -r {} + \
    && cd / && { python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/easel || true; } \
    && /opt/easel/bin/python -c "\
from bot.chat.texts.languages import english, languages, translations; \
english(); [translations(name) for name in languages()]"

FROM python:3.11-slim
# Python's own modules come uncompiled in this image: each start would compile those that it imports.
RUN useradd --uid 10001 --create-home easel \
    && install -d -o easel -g easel /data \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x /site-packages/ \
        /usr/local/lib/python3.*
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
# database do. What listens at 0.0.0.0 or :: is asked at it, too: Linux takes that for loopback.
HEALTHCHECK --interval=30s --timeout=3s --start-period=20s CMD ["python", "-c", "\
import os, urllib.request as u; \
said = lambda name: (os.environ.get(name) or '').split('#')[0].strip(chr(34) + chr(39) + ' '); \
host, port = said('OPS_HOST') or '127.0.0.1', int(said('OPS_PORT') or 8080); \
host = f'[{host}]' if ':' in host else host; \
port and u.urlopen(f'http://{host}:{port}/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["easel"]
CMD ["run"]
