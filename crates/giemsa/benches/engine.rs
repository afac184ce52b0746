//! Benchmarks of the stages: decoding, resizing, augmentation, layers and networks. `make bench` runs all of them;
//! `cargo bench -p giemsa --features synthetic -- step` runs those whose names contain a word.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use giemsa::classes::Class;
use giemsa::dataset::augment::augment;
use giemsa::image::{decode_bytes, resize};
use giemsa::model::Recipe;
use giemsa::nn::{Activation, LayerSpec, Network, Shape, StepSettings};
use std::hint::black_box;
use std::path::Path;

const SETTINGS: StepSettings =
    StepSettings { learning_rate: 1e-3, weight_decay: 0.0, label_smoothing: 0.0, seed: 0, epoch: 0 };

/// Benchmarks the steps from the bytes of a file to the input of a network.
fn bench_images(criterion: &mut Criterion) {
    let cell = giemsa::synthetic::draw_cell(0, 3, 7, Class::Parasitized);
    let mut png = std::io::Cursor::new(Vec::new());
    cell.write_to(&mut png, image::ImageFormat::Png).expect("a drawn cell can be encoded");
    let png = png.into_inner();
    let mut group = criterion.benchmark_group("image");
    group.bench_function("decode", |b| b.iter(|| decode_bytes(black_box(&png), Path::new("cell.png"))));
    group.bench_function("resize_nearest_50", |b| b.iter(|| resize::nearest(black_box(&cell), 50, 50)));
    group.bench_function("resize_fit_64", |b| b.iter(|| resize::fit(black_box(&cell), 64)));
    let normalized = Recipe::load("compact").expect("the recipe is built in").input;
    group.bench_function("resize_fit_64_median_colour", |b| b.iter(|| normalized.to_bytes(black_box(&cell))));
    let crop = giemsa::synthetic::draw_other_crop(0, 7, Class::Parasitized);
    group.bench_function("find_cell_64_median_colour", |b| b.iter(|| normalized.to_bytes(black_box(&crop))));
    let settings = Recipe::load("keras-tutorial").expect("the recipe is built in").augmentation;
    let (bytes, mut out) = (resize::nearest(&cell, 50, 50), vec![0.0; 50 * 50 * 3]);
    let mut sample = 0;
    group.bench_function("augment_50", |b| {
        b.iter(|| {
            sample += 1;
            augment(&bytes, 50, &settings, &[sample], &mut out);
        });
    });
    group.finish();
}

fn conv(filters: usize, kernel: usize, batch_norm: bool) -> LayerSpec {
    LayerSpec::Conv2d { filters, kernel, batch_norm, activation: Activation::Relu }
}

/// Returns small networks, each with the layer of its name.
fn layers() -> Vec<(&'static str, Shape, Vec<LayerSpec>)> {
    let shape = |side, channels| Shape { height: side, width: side, channels };
    let pool = LayerSpec::MaxPooling2d {};
    let end = [LayerSpec::GlobalAveragePooling2d {}, LayerSpec::Dense { units: 1, activation: Activation::Sigmoid }];
    let with_end = |layers: &[LayerSpec]| [layers, &end].concat();
    let dense = LayerSpec::Dense { units: 500, activation: Activation::Relu };
    vec![
        ("conv_2x2_3_to_16_pool", shape(50, 3), with_end(&[conv(16, 2, false), pool.clone()])),
        ("conv_2x2_16_to_32_pool", shape(25, 16), with_end(&[conv(32, 2, false), pool.clone()])),
        ("conv_2x2_32_to_64_pool", shape(12, 32), with_end(&[conv(64, 2, false), pool])),
        ("dense_2304_to_500", shape(6, 64), [&[LayerSpec::Flatten {}, dense], &end[1..]].concat()),
        ("conv_3x3_16_to_16_norm", shape(64, 16), with_end(&[conv(16, 3, true)])),
        ("conv_3x3_96_to_96_norm", shape(8, 96), with_end(&[conv(96, 3, true)])),
    ]
}

/// Returns values in 0..1 without a visible pattern (multiples of the golden ratio).
fn pixels(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i as f64 * 0.618_033_988_749_895).fract() as f32).collect()
}

fn bench_network(criterion: &mut Criterion, name: &str, input: Shape, layers: &[LayerSpec], batch: usize) {
    let mut network = Network::new(input, layers, 0).expect("these layers fit");
    let (inputs, samples) = (pixels(batch * input.len()), (0..batch as u64).collect::<Vec<_>>());
    let targets: Vec<f32> = (0..batch * network.outputs()).map(|i| (i % 2) as f32).collect();
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(batch as u64));
    group.bench_function(BenchmarkId::new("predict", batch), |b| b.iter(|| network.predict(black_box(&inputs))));
    group.bench_function(BenchmarkId::new("step", batch), |b| {
        b.iter(|| network.train_step(black_box(&inputs), &targets, &samples, &SETTINGS));
    });
    group.finish();
}

/// Benchmarks single layers, and the built-in recipes at several batch sizes.
fn bench_networks(criterion: &mut Criterion) {
    for (name, input, layers) in layers() {
        bench_network(criterion, name, input, &layers, 64);
    }
    for name in Recipe::built_in_names() {
        let recipe = Recipe::load(name).expect("the recipe is built in");
        for batch in [1, 100, 512] {
            bench_network(criterion, name, recipe.input_shape(), &recipe.layers, batch);
        }
    }
}

criterion_group!(benches, bench_images, bench_networks);
criterion_main!(benches);
