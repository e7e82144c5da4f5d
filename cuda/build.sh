#!/usr/bin/env bash
# Compiles the kernels for every kind of GPU since Turing, prints registers and spills of each, and
# fails when one spills. The result is target/cuda/kernels.fatbin, which the next build of the
# program embeds. --if-possible: says so in one line and succeeds where there is no compiler.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$PWD/../target}
out=$target/cuda
targets=(75 80 86 89 90 120)
compiler=(nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96)

# A reason why there is no compiler, or nothing.
find_compiler() {
    local venv=$target/cuda-compiler found
    nvcc=$(command -v nvcc || true)
    # sm_120 is known since 12.8.
    if [ -n "$nvcc" ] && "$nvcc" --list-gpu-code 2>/dev/null | grep -q sm_120; then return; fi
    found=("$venv"/lib/python3*/site-packages/nvidia/cu13/bin/nvcc)
    nvcc=${found[0]}
    if [ -x "$nvcc" ]; then return; fi
    command -v python3 >/dev/null || { echo "there is neither nvcc 12.8 or later nor python3"; return; }
    [ "$(uname -sm)" = "Linux x86_64" ] || { echo "there is no nvcc 12.8 or later"; return; }
    echo "Fetching NVIDIA's compiler into $venv, 250 MB." >&2
    python3 -m venv "$venv" >/dev/null 2>&1 || { echo "python3 has no venv"; return; }
    timeout 300 "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps "${compiler[@]}" >/dev/null 2>&1 \
        || { rm -rf "$venv"; echo "NVIDIA's compiler could not be fetched"; return; }
    found=("$venv"/lib/python3*/site-packages/nvidia/cu13/bin/nvcc)
    nvcc=${found[0]}
}

# One line for each kernel: registers and bytes spilled, target by target.
table() {
    awk '
        /Compiling entry function/ { split($0, part, "\x27"); kernel = part[2]; target = part[4] }
        /spill stores/ { spills[kernel, target] = $5 + $9; total += $5 + $9 }
        /Used [0-9]+ registers/ { used[kernel, target] = $5; kernels[kernel]; targets[target] }
        END {
            for (kernel in kernels) for (target in targets)
                printf "%-11s %-7s %4d registers, %d bytes spilled\n", kernel, target, used[kernel, target], spills[kernel, target]
            exit total > 0
        }' "$out/compiler.log" | sort
}

mkdir -p "$out"
cat ./*.cu ./*.h >"$out/sources.new"
if ! cmp -s "$out/sources.new" "$out/kernels.sources" || [ ! -s "$out/kernels.fatbin" ]; then
    reason=$(find_compiler; echo "compiler=$nvcc")
    nvcc=${reason##*compiler=}
    reason=${reason%compiler=*}
    if [ -n "$reason" ]; then
        if [ "${1:-}" = --if-possible ]; then
            echo "The CUDA kernels are not compiled: ${reason%$'\n'}."
            exit 0
        fi
        echo "The CUDA kernels cannot be compiled: ${reason%$'\n'}." >&2
        exit 1
    fi
    code=()
    for number in "${targets[@]}"; do code+=(-gencode "arch=compute_$number,code=sm_$number"); done
    # What comes between or after these compiles one of the two for itself: sm_100 cannot take the newer.
    for number in 90 120; do code+=(-gencode "arch=compute_$number,code=compute_$number"); done
    "$nvcc" -fatbin -O3 --threads 0 -Xptxas -v -Werror all-warnings "${code[@]}" kernels.cu \
        -o "$out/kernels.new" >"$out/compiler.log" 2>&1 || { cat "$out/compiler.log" >&2; exit 1; }
    table || { echo "A kernel spills registers: see ${out}/compiler.log" >&2; exit 1; }
    mv "$out/kernels.new" "$out/kernels.fatbin"
    mv "$out/sources.new" "$out/kernels.sources"
else
    rm "$out/sources.new"
    table
fi
