# `make check` runs everything a change must pass. CONTRIBUTING.md describes the other targets.

.PHONY: build check format lint test docs examples attack formats server browser python cluster demo bench load peers peers-serve pretrained

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
EXAMPLES = classify_image train_on_folder evaluate_by_patient custom_recipe count_smear

examples:
	for example in $(EXAMPLES); do \
		echo "example $$example:"; \
		cargo run --quiet --package giemsa --all-features --example $$example || exit 1; \
	done

# Broken images, models and recipes, kills and full disks: ten minutes at most, and a table of the results at the end. A
# short version is part of `make test`.
attack:
	GIEMSA_ATTACK=full cargo test --release --package giemsa-cli --test attack

# Compares exported and imported models in ONNX Runtime, OpenVINO and Keras, which it installs into .formats/.
formats:
	tests/formats/run.sh

# Tests the server with the clients of others, which it installs into .server/: two minutes.
server:
	tests/server/run.sh

# Tests the page of `giemsa serve` in Chromium, which it installs, with Python packages in .browser/. Pictures of all states
# of the page: target/browser/.
browser:
	tests/browser/run.sh

demo:
	cargo run --release -- demo

bench:
	cargo bench --package giemsa --features synthetic

# Measures the server under load for about three minutes: capacity, latency, overload, and what is lost when it is stopped.
load:
	benches/load/run.sh

# Compares the server with FastAPI, uvicorn and ONNX Runtime under the same load; installs them into .peers-serve/.
peers-serve:
	benches/peers/serve.sh

# Times other frameworks on the same work; installs them into .peers/.
peers:
	benches/peers/run.sh

# Builds the Python package, installs it into a fresh environment, and runs its tests there.
python:
	python/ci.sh

# Installs the Python package with Ray and Spark, and tests it on clusters of several processes on this machine: some
# minutes.
cluster:
	python/cluster.sh

# Trains the built-in model in an hour and a quarter on two cores. A second call resumes an interrupted run. The same data, version
# and instruction set give the same bytes.
#
# DATA: the images of `giemsa fetch`. SMEARS: photographs with annotations.json (COCO) of bangkok (Chula RBC-12), bccd (BCCD)
# and chittagong (NIH; only windows of several cells are cut out, because its cells are among DATA) to train with, and of
# bbbc041 (BBBC041) to evaluate on; docs/compact.md says where they are from. Without SMEARS, the model is trained on DATA only.
DATA ?= data/cell_images
SMEARS ?= data/smears
PRETRAINED ?= runs/pretrained
SITES = $(PRETRAINED)-sites
CUT = target/release/giemsa cut
HAS_SMEARS = $(wildcard $(SMEARS))
WITH_SITES = --negatives $(SITES)/training --not-cells $(SITES)/training --test-sites $(SITES)/test

pretrained: build $(if $(HAS_SMEARS),$(SITES))
	test -d $(DATA) || target/release/giemsa fetch
	$(if $(HAS_SMEARS),,@echo "$(SMEARS) does not exist: training without images of other sites")
	target/release/giemsa pretrain $(DATA) --folds 3 --teachers 3 --aim 'specificity>=0.98' --out $(PRETRAINED) \
		$(if $(HAS_SMEARS),$(WITH_SITES)) \
		--failures crates/giemsa/src/model/pretrained/failures.md
	cp $(PRETRAINED)/compact.safetensors crates/giemsa/src/model/pretrained/compact.safetensors
	cp $(PRETRAINED)/MODEL_CARD.md docs/MODEL_CARD.md

$(SITES):
	rm -rf $@.part
	$(CUT) $(SMEARS)/bangkok --out $@.part/training/bangkok --diameter-px 52 --margins 0,0.1,0.25,0.54 --fields 3
	$(CUT) $(SMEARS)/bccd --out $@.part/training/bccd --margins 0,0.1,0.25 --fields 1
	$(CUT) $(SMEARS)/chittagong --out $@.part/training/chittagong --fields 10
	rm -r $@.part/training/chittagong/Parasitized $@.part/training/chittagong/Uninfected
	$(CUT) $(SMEARS)/bbbc041 --out $@.part/test/bbbc041 --fields 8
	mv $@.part $@
