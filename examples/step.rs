use giemsa::nn::*;
fn main() {
    let n: usize = std::env::args().nth(1).map_or(100, |a| a.parse().unwrap());
    rayon::ThreadPoolBuilder::new()
        .num_threads(std::env::args().nth(2).map_or(2, |a| a.parse().unwrap()))
        .build_global()
        .unwrap();
    let conv =
        |filters, kernel, batch_norm| LayerSpec::Conv2d { filters, kernel, batch_norm, activation: Activation::Relu };
    let pool = LayerSpec::MaxPooling2d {};
    let seed = vec![
        conv(16, 2, false),
        pool.clone(),
        conv(32, 2, false),
        pool.clone(),
        conv(64, 2, false),
        pool.clone(),
        LayerSpec::Dropout { rate: 0.2 },
        LayerSpec::Flatten {},
        LayerSpec::Dense { units: 500, activation: Activation::Relu },
        LayerSpec::Dropout { rate: 0.2 },
        LayerSpec::Dense { units: 1, activation: Activation::Sigmoid },
    ];
    let deep = vec![
        conv(16, 3, true),
        conv(16, 3, true),
        pool.clone(),
        conv(32, 3, true),
        conv(32, 3, true),
        pool.clone(),
        conv(64, 3, true),
        conv(64, 3, true),
        pool.clone(),
        conv(96, 3, true),
        conv(96, 3, true),
        LayerSpec::GlobalAveragePooling2d {},
        LayerSpec::Dense { units: 1, activation: Activation::Sigmoid },
    ];
    for (name, side, layers, n) in [("seed", 50, seed, n), ("deep", 64, deep, 64)] {
        let input = Shape { height: side, width: side, channels: 3 };
        let mut net = Network::new(input, &layers, 0).unwrap();
        let x: Vec<f32> = (0..n * input.len()).map(|i| ((i * 2654435761usize >> 7) & 255) as f32 / 255.0).collect();
        let t: Vec<f32> = (0..n).map(|i| (i % 2) as f32).collect();
        let s: Vec<u64> = (0..n as u64).collect();
        let st = StepSettings { learning_rate: 1e-3, weight_decay: 0.0, label_smoothing: 0.0, seed: 0, epoch: 0 };
        let reps = if name == "seed" { 60 } else { 8 };
        let mut times = vec![];
        for _ in 0..reps {
            let a = std::time::Instant::now();
            net.train_step(&x, &t, &s, &st);
            times.push(a.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        println!("{name} step n={n}: min {:.2} median {:.2} ms", times[0], times[reps / 2]);
        for b in [1, n] {
            let mut times = vec![];
            for _ in 0..reps * (if b == 1 { 10 } else { 1 }) {
                let a = std::time::Instant::now();
                std::hint::black_box(net.predict(&x[..b * input.len()]));
                times.push(a.elapsed().as_secs_f64() * 1e3);
            }
            times.sort_by(f64::total_cmp);
            println!(
                "{name} infer {b}: min {:.4} median {:.4} ms, {:.0}/s at min",
                times[0],
                times[times.len() / 2],
                b as f64 / times[0] * 1e3
            );
        }
    }
}
