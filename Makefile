# `make check` runs everything a change must pass. CONTRIBUTING.md describes the other targets.

.PHONY: build check format lint test docs examples attack demo bench peers pretrained

build:
	cargo build --release

check: format lint test docs examples

format:
	cargo fmt --all --check

# The library must also build without its optional features.
lint:
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --package giemsa --all-targets -- -D warnings

test:
	cargo test --workspace

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# With all features, so that the library is not built again after `make test`.
EXAMPLES = classify_image train_on_folder evaluate_by_patient custom_recipe

examples:
	for example in $(EXAMPLES); do \
		echo "example $$example:"; \
		cargo run --quiet --package giemsa --all-features --example $$example || exit 1; \
	done

# Broken images, models and recipes, kills and full disks: ten minutes at most, and a table of the results at the end. A
# short version is part of `make test`.
attack:
	GIEMSA_ATTACK=full cargo test --release --package giemsa-cli --test attack

demo:
	cargo run --release -- demo

bench:
	cargo bench --package giemsa --features synthetic

# Times other frameworks on the same work; installs them into .peers/.
peers:
	benches/peers/run.sh

# Trains the built-in model on DATA (default: the images of `giemsa fetch`) in about an hour on two cores. A second call
# resumes an interrupted run. The same data, version and instruction set give the same bytes.
DATA ?= data/cell_images
PRETRAINED ?= runs/pretrained

pretrained: build
	test -d $(DATA) || target/release/giemsa fetch
	target/release/giemsa pretrain $(DATA) --out $(PRETRAINED) --failures crates/giemsa/src/model/pretrained/failures.md
	cp $(PRETRAINED)/compact.safetensors crates/giemsa/src/model/pretrained/compact.safetensors
	cp $(PRETRAINED)/MODEL_CARD.md docs/MODEL_CARD.md
