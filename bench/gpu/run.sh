#!/usr/bin/env bash
# run.sh: everything the project wants to know of a GPU, in one command of at most ten minutes, where kit.tar.xz of pack.sh lies beside it (docs/gpu.md, "GPU day").
# Results go to $OUT (out/ beside this file; at most 8 files): summary.json, and a table at the end of the output. Commit them as bench/results/DEVICE.
# DEVICE (cuda:0), SECONDS_IN_ALL (570), PARTS (all, or some of: devices smoke suite reference bench peer fused sanitizer ncu), KIT (an unpacked kit)
set -u
start=$(date +%s); here=$(cd "$(dirname "$0")" && pwd)
: "${DEVICE:=cuda:0}" "${SECONDS_IN_ALL:=570}" "${PARTS:=devices smoke suite reference bench peer fused sanitizer ncu}"
OUT=${OUT:-$here/out}; mkdir -p "$OUT"; export OUT
log=$OUT/log.txt; : > "$log"
left() { echo $((SECONDS_IN_ALL - ($(date +%s) - start))); }
# part NAME SECONDS COMMAND...: runs it if it was asked for and there is time; its output goes to the log; says how it ended.
part() {
    local name=$1 limit=$2 began rc; shift 2
    case " $PARTS " in *" ${name%%:*} "*) ;; *) return 0;; esac
    [ "$(left)" -lt "$limit" ] && limit=$(left)
    [ "$limit" -lt 5 ] && { echo "$name: no time left" | tee -a "$log"; echo "$name -1 0" >> "$work/parts"; return 0; }
    began=$(date +%s); printf '\n=== %s (at most %s s): %s\n' "$name" "$limit" "$*" >> "$log"
    timeout --kill-after=5 "$limit" "$@" >> "$log" 2>&1; rc=$?
    echo "$name $rc $(($(date +%s) - began))" | tee -a "$work/parts"
    return 0
}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; : > "$work/parts"
app=${KIT:-}
if [ -z "$app" ]; then
    app=$work/kit; mkdir -p "$app"
    tar -C "$app" -xJf "$here/kit.tar.xz" 2>/dev/null || python3 -c "import sys,tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])" "$here/kit.tar.xz" "$app" || { echo "kit.tar.xz does not unpack"; exit 1; }
fi
nd=$app/nativediffusion; chmod +x "$nd" "$app/kit-suite" "$app/NativeDiffusion.Bench" 2>/dev/null
# The driver keeps what it assembled, so that every kernel is assembled once in all these processes.
export ND_PTX_CACHE=$work/ptx CUDA_CACHE_PATH=$work/jit CUDA_CACHE_MAXSIZE=1073741824 CUDA_MODULE_LOADING=LAZY DOTNET_EnableDiagnostics=0 ND_GPU_DEVICE=$DEVICE PYTHONUNBUFFERED=1 TORCHINDUCTOR_CACHE_DIR=$work/inductor
cd "$work"
{ date; uname -a; nproc; cat "$app/COMMIT"; nvidia-smi; python3 --version; ldd --version | head -1; } >> "$log" 2>&1

part devices 20 "$nd" devices --json
cp "$log" "$work/devices.log"
# The first picture, the tool's own default, on the GPU and on the CPU: most of what can fail fails here. The CPU's is the judge.
part smoke 60 bash -c '"$0" sample --device $DEVICE --steps 20 --w 2 --out gpu.npz && "$0" sample --steps 20 --w 2 --out cpu.npz && python3 "$1" compare gpu.npz cpu.npz && "$0" sample --device $DEVICE --steps 50 --w 0,1,2,4 --batch 64 --out "$OUT/digits.png"' "$nd" "$app/summarise.py"
# Compiling needs the CPU and little of the GPU: beside the suites, which are not timed.
case " $PARTS " in *" peer "*) timeout 200 python3 "$app/peer.py" prepare 170 > "$work/prepare.log" 2>&1 & prepare=$!;; esac
part suite 150 "$app/kit-suite" NativeDiffusion.Gpu.Tests.dll 140 "$work/suite.json"
part reference 60 "$app/kit-suite" NativeDiffusion.Tests.dll 50 "$work/reference.json"
[ -n "${prepare:-}" ] && { wait "$prepare"; cat "$work/prepare.log" >> "$log"; }
# Timings, nothing beside them; the most telling first.
bench() { "$nd" bench --device "$DEVICE" "$@" --json | tr -d '\n' >> "$work/bench.jsonl"; echo >> "$work/bench.jsonl"; }
benches() {
    local math config
    for math in ieee bf16 tf32; do
        for config in small32 base64 digits; do bench --config $config --pass guided --batch 4 --math $math --runs 20 --profile; done
        bench --config small32 --pass train --batch 16 --math $math --runs 10
    done
    for math in ieee bf16 tf32; do
        for config in small32 digits base64; do bench --config $config --pass guided --batch 16 --math $math --runs 10; done
        bench --config digits --pass guided --batch 64 --math $math --runs 10
        for config in small32 digits base64; do bench --config $config --pass guided --batch 1 --math $math --runs 20; done
        bench --config base64 --pass train --batch 4 --math $math --runs 5
        bench --config digits --pass train --batch 64 --math $math --runs 10
    done
}
export -f bench benches; export nd DEVICE work
part bench 130 bash -c benches
part peer 110 python3 "$app/peer.py" measure 100 "$work/peer.jsonl"
part fused 45 "$app/NativeDiffusion.Bench" short alternate --device "$DEVICE"
# A checker and a profiler over a .NET process: whether they run is itself a question.
part sanitizer:memcheck 45 compute-sanitizer --tool memcheck --target-processes all --print-limit 20 "$app/kit-suite" NativeDiffusion.Gpu.Tests.dll 40 "$work/memcheck.json" GuidedStepGpuTests NoiseGpuTests
part sanitizer:racecheck 45 compute-sanitizer --tool racecheck --target-processes all --print-limit 20 "$app/kit-suite" NativeDiffusion.Gpu.Tests.dll 40 "$work/racecheck.json" "Linear_layers" "OptimizerGpuTests"
# Every kernel is called Kernel_Run: told apart by grid, block and registers, and by their order in the plan.
part ncu 50 ncu --clock-control none --target-processes all --launch-skip 60 --launch-count 60 --section SpeedOfLight --section LaunchStats --section Occupancy --csv --page details \
    --log-file "$OUT/ncu.csv" "$nd" bench --device "$DEVICE" --config small32 --pass forward --batch 32 --math bf16 --runs 5
[ -s "$work/bench.jsonl" ] && cp "$work/bench.jsonl" "$OUT/"; [ -s "$work/peer.jsonl" ] && cp "$work/peer.jsonl" "$OUT/"
cat "$work"/results/*/*.md >> "$log" 2>/dev/null
python3 "$app/summarise.py" all "$work" "$OUT" "$(($(date +%s) - start))"
