# What people run here; `make check` is all of what a change must pass.

.PHONY: build check format lint docs test demo bench peers pretrained

build:
	cargo build --release

check: format lint docs test

format:
	cargo fmt --all --check

# The library must also build without any of its features.
lint:
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --package giemsa --all-targets -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

test:
	cargo test

demo:
	cargo run --release -- demo

bench:
	cargo bench --package giemsa

# The same work in other frameworks, side by side; installs them into a folder of its own.
peers:
	benches/peers/run.sh

# The model in the program, made again from DATA (what `giemsa fetch` brings, if nothing else is said): about an hour on
# two cores, and it goes on where it was stopped. The same data, program and kind of processor give the same bytes.
DATA ?= data/cell_images
PRETRAINED ?= runs/pretrained

pretrained: build
	test -d $(DATA) || target/release/giemsa fetch
	target/release/giemsa pretrain $(DATA) --out $(PRETRAINED) --failures crates/giemsa/src/model/pretrained/failures.md
	cp $(PRETRAINED)/compact.safetensors crates/giemsa/src/model/pretrained/compact.safetensors
	cp $(PRETRAINED)/MODEL_CARD.md docs/MODEL_CARD.md
