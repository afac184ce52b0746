//! Each stage of the engine: `cargo bench`.
use criterion::{Criterion, criterion_group, criterion_main};

fn engine(_: &mut Criterion) {}

criterion_group!(benches, engine);
criterion_main!(benches);
