# A short front to Meson.   DIR, PORT: what `make run` shares, and where.   SAN: sanitizers of `make test`.
DIR = build/sample
PORT = 2121
PREFIX = /usr/local
FUZZ_SECONDS = 60

.PHONY: run build test bench fuzz install clean
run: build
	@test "$(DIR)" != build/sample || scripts/make-sample build/sample
	@exec build/src/master/wherryd share "$(DIR)" --port $(PORT)

build:
	@scripts/setup run
	@test -f build/build.ninja || meson setup build -Dtests=false -Dprefix=$(PREFIX)
	ninja -C build

test:
	@scripts/setup test
	@scripts/run-tests $(if $(SAN),--san $(SAN))

# Ours beside the others that Debian has: QUICK=1 within three minutes.   BENCH: options of bench/run.
bench: build
	@scripts/setup bench
	ninja -C build bench/limits
	@bench/run $(if $(QUICK),--quick) $(BENCH)

fuzz:
	@scripts/setup fuzz
	@scripts/run-fuzz $(FUZZ_SECONDS)

install: build
	meson configure build -Dprefix=$(PREFIX)
	DESTDIR=$(DESTDIR) meson install -C build

clean:
	rm -rf build build-*
