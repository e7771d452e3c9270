FROM swift:6.2-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libpq-dev liblz4-dev libzstd-dev zlib1g-dev pkg-config && rm -rf /var/lib/apt/lists/*
WORKDIR /firn
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
COPY migrations migrations
COPY examples examples
RUN swift build -c release --product firn --static-swift-stdlib && cp "$(swift build -c release --show-bin-path)/firn" /usr/local/bin/firn

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends libpq5 liblz4-1 libzstd1 zlib1g ca-certificates && rm -rf /var/lib/apt/lists/* && useradd --system firn
COPY --from=build /usr/local/bin/firn /usr/local/bin/firn
USER firn
WORKDIR /tmp
ENTRYPOINT ["firn"]
