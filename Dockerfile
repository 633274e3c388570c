# Two static programs on an empty base: no shell, no libraries, no root.
FROM golang:1.26 AS build
ARG VERSION=
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/rccgw ./cmd/rccgw
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/rccctl ./cmd/rccctl
RUN mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/rccgw /rccgw
COPY --from=build /out/rccctl /rccctl
COPY --from=build --chown=65532:65532 /out/data /var/lib/rccgw
ENV RCC_DATA=/var/lib/rccgw
# Probes and scrapers come from outside of the container.
ENV RCC_HTTP_LISTEN=:8080
VOLUME /var/lib/rccgw
USER 65532:65532
EXPOSE 5060/udp 5060/tcp 5061/tcp 8080/tcp
ENTRYPOINT ["/rccgw"]
