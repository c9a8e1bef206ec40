# Espalier with TensorFlow for NVIDIA GPUs: docker build --file .docker/cuda.Dockerfile --tag espalier:cuda .
# The CUDA libraries come with TensorFlow's wheel, in the versions that it needs: an image of CUDA would hold them twice.
FROM node:22-bookworm-slim AS build
# Debian removes old versions, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates g++ python3 python3-pip python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN npm ci && npm pack --pack-destination /tmp
WORKDIR /opt/espalier
RUN npm init --yes && npm install --omit=dev /tmp/espalier-*.tgz
ENV ESPALIER_CACHE=/opt/cache
RUN npx espalier engine install tensorflow --gpu

FROM node:22-bookworm-slim
# The driver's libraries come from the machine (NVIDIA Container Toolkit).
ENV NODE_ENV=production ESPALIER_CACHE=/opt/cache NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build /opt/espalier /opt/espalier
COPY --from=build --chown=node:node /opt/cache /opt/cache
RUN ln -s /opt/espalier/node_modules/.bin/espalier /usr/local/bin/espalier && install --directory --owner=node --group=node /work /work/runs
# The user node, as a number, so that a host can tell that it is not root.
USER 1000
WORKDIR /work
VOLUME /work/runs
ENTRYPOINT ["espalier"]
CMD ["--help"]
