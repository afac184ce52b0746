# What people run here; `make check` is all of what a change must pass.

.PHONY: build check format lint docs test demo bench peers

build:
	cargo build --release

check: format lint docs test

format:
	cargo fmt --check

# The library must also stand without the command line.
lint:
	cargo clippy --all-targets -- -D warnings
	cargo clippy --lib --no-default-features -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

test:
	cargo test

demo:
	cargo run --release -- demo

bench:
	cargo bench

# The same work in other frameworks, side by side; installs them into a folder of its own.
peers:
	benches/peers/run.sh
