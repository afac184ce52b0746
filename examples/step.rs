use giemsa::nn::kernels::*;
use giemsa::nn::*;
fn cpu() -> f64 {
    std::fs::read_to_string("/proc/thread-self/schedstat").unwrap().split(' ').next().unwrap().parse::<f64>().unwrap()
        / 1e9
}
fn best(reps: usize, mut f: impl FnMut()) -> f64 {
    let mut b = f64::MAX;
    for _ in 0..reps {
        let a = cpu();
        f();
        b = b.min(cpu() - a);
    }
    b
}
fn main() {
    let set = instruction_set();
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global().unwrap();
    let peak = {
        let mut o = 0;
        let t = best(10, || o = peak::multiply_adds(set, 2_000_000));
        o as f64 / t / 1e9
    };
    println!("peak 1 thread {peak:.1} GFLOP/s");
    let conv =
        |filters, kernel, batch_norm| LayerSpec::Conv2d { filters, kernel, batch_norm, activation: Activation::Relu };
    let pool = LayerSpec::MaxPooling2d {};
    let last = LayerSpec::Dense { units: 1, activation: Activation::Sigmoid };
    let gap = LayerSpec::GlobalAveragePooling2d {};
    let fl = LayerSpec::Flatten {};
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
        last.clone(),
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
        gap.clone(),
        last.clone(),
    ];
    let cases = vec![
        ("seed", 50, 50, 3, seed, 100),
        ("deep", 64, 64, 3, deep, 64),
        ("conv1 2x2 3-16 pool", 50, 50, 3, vec![conv(16, 2, false), pool.clone(), gap.clone(), last.clone()], 64),
        ("conv2 2x2 16-32 pool", 25, 25, 16, vec![conv(32, 2, false), pool.clone(), gap.clone(), last.clone()], 64),
        ("conv3 2x2 32-64 pool", 12, 12, 32, vec![conv(64, 2, false), pool.clone(), gap.clone(), last.clone()], 64),
        (
            "dense 2304-500",
            6,
            6,
            64,
            vec![fl.clone(), LayerSpec::Dense { units: 500, activation: Activation::Relu }, last.clone()],
            100,
        ),
        ("conv 3x3 16-16 64 bn", 64, 64, 16, vec![conv(16, 3, true), gap.clone(), last.clone()], 16),
        ("conv 3x3 16-16 64", 64, 64, 16, vec![conv(16, 3, false), gap.clone(), last.clone()], 16),
        ("conv 3x3 32-32 32 bn", 32, 32, 32, vec![conv(32, 3, true), gap.clone(), last.clone()], 16),
        ("conv 3x3 64-64 16 bn", 16, 16, 64, vec![conv(64, 3, true), gap.clone(), last.clone()], 16),
        ("conv 3x3 96-96 8 bn", 8, 8, 96, vec![conv(96, 3, true), gap.clone(), last.clone()], 16),
    ];
    for (name, h, w, c, layers, n) in cases {
        let input = Shape { height: h, width: w, channels: c };
        let mut net = Network::new(input, &layers, 0).unwrap();
        let x: Vec<f32> = (0..n * input.len()).map(|i| ((i * 2654435761usize >> 7) & 255) as f32 / 255.0).collect();
        let t: Vec<f32> = (0..n).map(|i| (i % 2) as f32).collect();
        let s: Vec<u64> = (0..n as u64).collect();
        let st = StepSettings { learning_rate: 1e-3, weight_decay: 0.0, label_smoothing: 0.0, seed: 0, epoch: 0 };
        let ops = architecture::operations(input, &layers).unwrap();
        let f = best(12, || {
            std::hint::black_box(net.predict(&x));
        });
        let b = best(8, || {
            net.train_step(&x, &t, &s, &st);
        });
        println!(
            "{name:24} infer {:8.1} us/img ({:3.0}% of peak)   step {:8.1} us/img ({:3.0}% of peak)",
            f / n as f64 * 1e6,
            ops.forward as f64 * n as f64 / f / 1e9 / peak * 100.,
            b / n as f64 * 1e6,
            ops.step as f64 * n as f64 / b / 1e9 / peak * 100.
        );
    }
}
