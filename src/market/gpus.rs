//! How a worker's GPUs are named in one line (contract: observed.md, 4, provider/workers).

use crate::protocol::Gpu;

/// From this many GPUs on, two kinds are not spelled out any more.
const SPELLED_MAX: usize = 4;

/// A GPU's name without its maker's prefixes.
pub fn short_name(name: &str) -> String {
    name.replace("NVIDIA ", "").replace("GeForce ", "").trim().to_owned()
}

/// `RTX 4090`, `2x RTX 4090`, `2x RTX 4090 + RTX 3080`, `8x (mixed)`; `GPU` when none is listed.
pub fn label(gpus: &[Gpu]) -> String {
    let kinds = kinds(gpus);
    let counted = |(name, count): &(String, usize)| {
        if *count == 1 { name.clone() } else { format!("{count}x {name}") }
    };
    match kinds.as_slice() {
        [] => "GPU".to_owned(),
        [one] => counted(one),
        [one, other] if gpus.len() <= SPELLED_MAX => format!("{} + {}", counted(one), counted(other)),
        _ => format!("{}x (mixed)", gpus.len()),
    }
}

/// The different GPUs, first seen first, and how many there are of each.
pub fn kinds(gpus: &[Gpu]) -> Vec<(String, usize)> {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for gpu in gpus {
        let name = short_name(&gpu.name);
        let name = if name.is_empty() { "GPU".to_owned() } else { name };
        match kinds.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => kinds.push((name, 1)),
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_follow_the_contract() {
        let rig = |names: &[&str]| {
            let gpu = |name: &&str| Gpu { index: 0, name: (*name).into(), memory_gb: 8.0, bus_id: None };
            label(&names.iter().map(gpu).collect::<Vec<_>>())
        };
        let (big, small) = ("NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 3080");
        assert_eq!(rig(&[]), "GPU");
        assert_eq!(rig(&["NVIDIA A100"]), "A100");
        assert_eq!(rig(&[big, big]), "2x RTX 4090");
        assert_eq!(rig(&[big, small, big]), "2x RTX 4090 + RTX 3080");
        assert_eq!(rig(&[big, small, big, big, big]), "5x (mixed)");
        assert_eq!(rig(&[big, small, "NVIDIA H100"]), "3x (mixed)");
        assert_eq!(rig(&[""]), "GPU");
    }
}
