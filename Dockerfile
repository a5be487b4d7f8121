# The node in an image of its own: one static file, no shell, nobody's user, nothing to write to.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY . .
RUN [ -d vendor ] || go mod download
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -tags timetzdata -ldflags "-s -w -X gitee.com/ken.yang/xconsumer/app.release=${VERSION}" -o /out/xconsumer ./cmd/xconsumer

FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="xconsumer" \
      org.opencontainers.image.description="Keeps N workers of every task running across a fleet of machines" \
      org.opencontainers.image.source="https://gitee.com/ken.yang/xconsumer" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/xconsumer /xconsumer
USER 65532:65532
WORKDIR /etc/xconsumer
EXPOSE 8800
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/xconsumer", "healthcheck"]
ENTRYPOINT ["/xconsumer"]
CMD ["run"]
