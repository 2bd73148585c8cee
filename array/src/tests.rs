//! Programs beside the same computation item by item.

use crate::pickle::{self, Array};
use crate::plan::Input;
use crate::program::Program;
use crate::{Dtype, Plan, Result};
use bytemuck::{Pod, cast_slice};

/// A block of numbers, as an input.
fn block<'a, T: Pod>(dtype: Dtype, shape: &[usize], items: &'a [T]) -> Input<'a> {
    let module = "numpy._core.numeric".to_string();
    let array = Array { module, dtype, shape: shape.to_vec(), is_fortran: false };
    Input { array, bytes: cast_slice(items) }
}

/// The bytes of the only result, and its pickle.
fn run(program: &str, inputs: Vec<Input<'_>>) -> Result<(Array, Vec<u8>)> {
    let program: Program = serde_json::from_str(program).unwrap();
    let plan = Plan::new(&program, inputs)?;
    let mut made: Vec<Vec<u8>> = plan.result_bytes().iter().map(|bytes| vec![9; *bytes]).collect();
    let mut results: Vec<&mut [u8]> = made.iter_mut().map(Vec::as_mut_slice).collect();
    plan.run(&mut results)?;
    Ok((pickle::read(&plan.pickle())?, made.swap_remove(0)))
}

fn floats(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks_exact(8).map(|item| f64::from_le_bytes(item.try_into().unwrap())).collect()
}

fn numbers(count: usize) -> Vec<f64> {
    (0..count).map(|at| (at as f64 * 0.37).sin()).collect()
}

/// `(x + y.T) * 2`, and the condition on it: of several tiles, with a block in the other order.
#[test]
fn expressions_are_computed_item_by_item() {
    let (rows, columns) = (131, 257);
    let (x, y) = (numbers(rows * columns), numbers(rows * columns + 5));
    let program = r#"{"arguments":[{"block":0},{"block":1}],"steps":[
        {"load":{"argument":0,"dtype":"<f8"}},{"load":{"argument":1,"dtype":"<f8"}},
        {"transpose":{"of":1,"axes":[1,0]}},{"binary":{"operation":"add","of":[0,2]}},
        {"scalar":{"dtype":"<f8","bytes":"0000000000000040"}},{"binary":{"operation":"multiply","of":[3,4]}},
        {"binary":{"operation":"less","of":[5,0]}},{"where":{"of":[6,0,5]}}],"results":[[null,7]]}"#;
    let inputs =
        vec![block(Dtype::F64, &[rows, columns], &x), block(Dtype::F64, &[columns, rows], &y[5..])];
    let (array, made) = run(program, inputs).unwrap();
    assert_eq!(array.shape, [rows, columns]);
    let made = floats(&made);
    for row in 0..rows {
        for column in 0..columns {
            let (one, other) = (x[row * columns + column], y[5 + column * rows + row]);
            let twice = (one + other) * 2.0;
            let expected = if twice < one { one } else { twice };
            assert_eq!(made[row * columns + column], expected, "{row} {column}");
        }
    }
}

/// Sums along each choice of axes of an array with three, and the count and the moment of all of it.
#[test]
fn axes_are_reduced() {
    let shape = [5, 37, 91];
    let x = numbers(shape.iter().product());
    for chosen in 0..8_u32 {
        let axes: Vec<u32> = (0..3).filter(|axis| chosen >> axis & 1 == 1).collect();
        let reduce = |operation: &str| {
            format!(
                r#"{{"arguments":[{{"block":0}}],"steps":[{{"load":{{"argument":0,"dtype":"<f8"}}}},
                {{"reduce":{{"operation":"{operation}","of":0,"axes":{axes:?}}}}}],"results":[["n",1]]}}"#
            )
        };
        let mut sums = std::collections::BTreeMap::<Vec<usize>, (f64, f64)>::new();
        for (at, item) in x.iter().enumerate() {
            let index = [at / (37 * 91), at / 91 % 37, at % 91];
            let kept =
                (0..3).map(|axis| if axes.contains(&axis) { 0 } else { index[axis as usize] });
            let known = sums.entry(kept.collect()).or_insert((0.0, f64::INFINITY));
            *known = (known.0 + item, known.1.min(*item));
        }
        let program: Program = serde_json::from_str(&reduce("sum")).unwrap();
        let plan = Plan::new(&program, vec![block(Dtype::F64, &shape, &x)]).unwrap();
        let mut made = vec![0; plan.result_bytes()[0]];
        plan.run(&mut [&mut made]).unwrap();
        let made = floats(&made);
        assert_eq!(made.len(), sums.len());
        for (made, (sum, _)) in made.iter().zip(sums.values()) {
            assert!((made - sum).abs() < 1e-9, "{axes:?}");
        }
        let program: Program = serde_json::from_str(&reduce("min")).unwrap();
        let plan = Plan::new(&program, vec![block(Dtype::F64, &shape, &x)]).unwrap();
        let mut made = vec![0; plan.result_bytes()[0]];
        plan.run(&mut [&mut made]).unwrap();
        let least: Vec<f64> = sums.values().map(|(_, least)| *least).collect();
        assert_eq!(floats(&made), least, "{axes:?}");
    }
}

/// Parts of blocks are joined along both axes, and what does not fit together is refused.
#[test]
fn parts_are_joined() {
    let (a, b, c, d) = (numbers(12), numbers(15), numbers(8), numbers(10));
    let inputs = || {
        vec![
            block(Dtype::F64, &[3, 4], &a),
            block(Dtype::F64, &[3, 5], &b),
            block(Dtype::F64, &[2, 4], &c),
            block(Dtype::F64, &[2, 5], &d),
        ]
    };
    let program = |part: &str| {
        format!(
            r#"{{"arguments":[{{"nested":{{"grid":[2,2],"blocks":[[0,[[1,3,1],null]],[1,[[1,3,1],[0,{part},2]]],
            [2,null],[3,[null,[0,5,2]]]]}}}}],"steps":[{{"join":{{"argument":0,"dtype":"<f8","axes":[0,1]}}}}],
            "results":[[null,0]]}}"#
        )
    };
    let (array, made) = run(&program("5"), inputs()).unwrap();
    assert_eq!(array.shape, [4, 7]);
    let row = |from: &[f64], columns: usize, row: usize, step: usize| -> Vec<f64> {
        from[row * columns..(row + 1) * columns].iter().step_by(step).copied().collect()
    };
    let rows = [
        [row(&a, 4, 1, 1), row(&b, 5, 1, 2)],
        [row(&a, 4, 2, 1), row(&b, 5, 2, 2)],
        [row(&c, 4, 0, 1), row(&d, 5, 0, 2)],
        [row(&c, 4, 1, 1), row(&d, 5, 1, 2)],
    ];
    assert_eq!(floats(&made), rows.concat().concat());
    assert!(run(&program("3"), inputs()).is_err());
}

/// A value of several operations that is cut afterwards is computed once and stored; what reads a reduction reads it whole.
#[test]
fn values_are_stored_where_they_are_cut() {
    let x = numbers(40 * 60);
    let program = r#"{"arguments":[{"block":0},{"box":[[0,40,2],[10,60,1]]}],"steps":[
        {"load":{"argument":0,"dtype":"<f8"}},{"reduce":{"operation":"max","of":0,"axes":[0]}},
        {"binary":{"operation":"subtract","of":[0,1]}},{"cut":{"of":2,"argument":1}},
        {"unary":{"operation":"absolute","of":3}}],"results":[[null,4]]}"#;
    let (array, made) = run(program, vec![block(Dtype::F64, &[40, 60], &x)]).unwrap();
    assert_eq!(array.shape, [20, 50]);
    let made = floats(&made);
    for (at, made) in made.iter().enumerate() {
        let (row, column) = (at / 50 * 2, at % 50 + 10);
        let most = (0..40).map(|row| x[row * 60 + column]).fold(f64::MIN, f64::max);
        assert_eq!(*made, (x[row * 60 + column] - most).abs());
    }
}

/// What has no kernel is refused before anything is computed.
#[test]
fn what_has_no_kernel_is_refused() {
    let x = numbers(12);
    let program = |steps: &str, last: u32| {
        format!(
            r#"{{"arguments":[{{"block":0}}],"steps":[{{"load":{{"argument":0,"dtype":"<f8"}}}}{steps}],
            "results":[[null,{last}]]}}"#
        )
    };
    let refused = |steps: &str, last: u32| {
        run(&program(steps, last), vec![block(Dtype::F64, &[3, 4], &x)]).unwrap_err().to_string()
    };
    // Floats that do not fit an integer have no meaning in C.
    assert_eq!(refused(r#",{"cast":{"of":0,"dtype":"<i8"}}"#, 1), "f8 as i8");
    assert_eq!(refused(r#",{"unary":{"operation":"logical_not","of":0}}"#, 1), "LogicalNot of f8");
    assert_eq!(refused("", 1), "a step that comes later");
    let other = block(Dtype::F64, &[3, 5], &x);
    let wrong = run(&program("", 0), vec![other]).unwrap_err().to_string();
    assert_eq!(wrong, "a buffer of another size than its array");
    let empty = run(&program("", 0), vec![block::<f64>(Dtype::F64, &[0, 4], &[])]);
    assert_eq!(empty.unwrap_err().to_string(), "an empty array");
    let of_integers = block(Dtype::I64, &[3, 4], &[1_i64; 12]);
    let wrong = run(&program("", 0), vec![of_integers]).unwrap_err().to_string();
    assert_eq!(wrong, "a block of i8 where f8 is expected");
}

/// Long chains, each of which is used twice, need a few tiles only, and are computed once.
#[test]
fn shared_steps_are_computed_once() {
    let x = numbers(5_000);
    let doubled =
        (0..60).map(|at| format!(r#",{{"binary":{{"operation":"add","of":[{at},{at}]}}}}"#));
    let program = format!(
        r#"{{"arguments":[{{"block":0}}],"steps":[{{"load":{{"argument":0,"dtype":"<f8"}}}}{}],
        "results":[[null,60]]}}"#,
        doubled.collect::<String>()
    );
    let (_, made) = run(&program, vec![block(Dtype::F64, &[5_000], &x)]).unwrap();
    let expected: Vec<f64> = x.iter().map(|item| item * 2.0_f64.powi(60)).collect();
    assert_eq!(floats(&made), expected);
}
