# Espalier with the native engine: docker build --file .docker/cpu.Dockerfile --tag espalier .
FROM node:22-bookworm-slim AS build
# Debian removes old versions, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN npm ci && npm pack --pack-destination /tmp
WORKDIR /opt/espalier
RUN npm init --yes && npm install --omit=dev /tmp/espalier-*.tgz

FROM node:22-bookworm-slim
ENV NODE_ENV=production
COPY --from=build /opt/espalier /opt/espalier
RUN ln -s /opt/espalier/node_modules/.bin/espalier /usr/local/bin/espalier && install --directory --owner=node --group=node /work /work/runs
# The user node, as a number, so that a host can tell that it is not root.
USER 1000
WORKDIR /work
VOLUME /work/runs
ENTRYPOINT ["espalier"]
CMD ["--help"]
