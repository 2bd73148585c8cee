//! What kernels cost without a cluster: `cargo bench -p partita-array` prints the milliseconds of a program over blocks of
//! 1,000 x 1,000 numbers. `benches/README.md` keeps them beside NumPy's.

use bytemuck::cast_slice;
use partita_array::pickle::Array;
use partita_array::{Dtype, Input, Plan, Program};
use std::time::Instant;

const SIZE: usize = 1_000;
const TURNS: usize = 20;

/// The least milliseconds of a program.
fn measure(name: &str, blocks: &[Vec<f64>], arguments: &str, steps: &str, last: u32) {
    let program =
        format!(r#"{{"arguments":[{arguments}],"steps":[{steps}],"results":[[null,{last}]]}}"#);
    let program: Program = match serde_json::from_str(&program) {
        Ok(program) => program,
        Err(error) => return eprintln!("{name}: {error}"),
    };
    let array = Array {
        module: "numpy._core.numeric".to_string(),
        dtype: Dtype::F64,
        shape: vec![SIZE, SIZE],
        is_fortran: false,
    };
    let mut least = f64::MAX;
    for _ in 0..TURNS {
        let inputs =
            blocks.iter().map(|block| Input { array: array.clone(), bytes: cast_slice(block) });
        let start = Instant::now();
        let done = Plan::new(&program, inputs.collect()).and_then(|plan| {
            let mut made: Vec<Vec<u8>> =
                plan.result_bytes().iter().map(|bytes| vec![0; *bytes]).collect();
            let mut results: Vec<&mut [u8]> = made.iter_mut().map(Vec::as_mut_slice).collect();
            plan.run(&mut results)
        });
        if let Err(error) = done {
            return eprintln!("{name}: {error}");
        }
        least = least.min(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("{least:.2} ms {name}");
}

fn main() {
    let block = |seed: usize| -> Vec<f64> {
        (0..SIZE * SIZE).map(|at| ((at + seed) as f64 * 0.37).sin()).collect()
    };
    let blocks: Vec<Vec<f64>> = (0..10).map(block).collect();
    let load = |at: u32| format!(r#"{{"load":{{"argument":{at},"dtype":"<f8"}}}}"#);
    let two = r#"{"block":0},{"block":1}"#;
    let sum = |of: u32, axes: &str| {
        format!(r#"{{"reduce":{{"operation":"sum","of":{of},"axes":[{axes}]}}}}"#)
    };
    let binary = |operation: &str, one: u32, other: u32| {
        format!(r#"{{"binary":{{"operation":"{operation}","of":[{one},{other}]}}}}"#)
    };
    let unary = |operation: &str, of: u32| {
        format!(r#"{{"unary":{{"operation":"{operation}","of":{of}}}}}"#)
    };
    let turned = r#"{"transpose":{"of":1,"axes":[1,0]}}"#;
    let one = &blocks[..1];
    measure("x.sum()", one, two, &[load(0), sum(0, "0,1")].join(","), 1);
    measure("x.sum(axis=0)", one, two, &[load(0), sum(0, "0")].join(","), 1);
    measure("x.sum(axis=1)", one, two, &[load(0), sum(0, "1")].join(","), 1);
    let both = &blocks[..2];
    measure("x + y", both, two, &[load(0), load(1), binary("add", 0, 1)].join(","), 2);
    let added = [load(0), load(1), turned.to_string(), binary("add", 0, 2)].join(",");
    measure("x + y.T", both, two, &added, 3);
    measure("(x + y.T).sum()", both, two, &[added, sum(3, "0,1")].join(","), 4);
    let roots = [load(0), unary("absolute", 0), unary("sqrt", 1), binary("multiply", 2, 2)];
    let most = r#"{"reduce":{"operation":"max","of":4,"axes":[0,1]}}"#;
    let roots = [roots.join(","), binary("add", 3, 0), most.to_string()].join(",");
    measure("(sqrt(abs(x)) ** 2 + x).max()", one, two, &roots, 5);
    let pieces: Vec<String> = (0..10).map(|at| format!("[{at},[[100,200,1],null]]")).collect();
    let nested = format!(r#"{{"nested":{{"grid":[1,10],"blocks":[{}]}}}}"#, pieces.join(","));
    let join = r#"{"join":{"argument":0,"dtype":"<f8","axes":[0,1]}}"#;
    measure("a strip of ten blocks", &blocks, &nested, join, 0);
    let turned = r#"{"transpose":{"of":0,"axes":[1,0]}}"#;
    measure("x.T", one, two, &[load(0), turned.to_string()].join(","), 1);
    let part = r#"{"block":0},{"box":[[0,1000,2],null]}"#;
    let cut = r#"{"cut":{"of":0,"argument":1}},{"transpose":{"of":1,"axes":[1,0]}}"#;
    measure("x[::2].T", one, part, &[load(0), cut.to_string()].join(","), 2);
}
