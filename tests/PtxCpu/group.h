// One group of threads: the lanes run one after the other from barrier to barrier, and what a GPU would leave undefined is an error.
#pragma once
#include "arithmetic.h"

namespace {
// Allocations, so that an access outside of all is found.
std::map<uint64_t, uint64_t> allocations;
uint64_t allocated = 0;
struct Range {
    uint64_t from = 1, to = 0;
};

struct Lane {
    int pc = 0;
    bool done = false;
};

struct Group {
    const Kernel &k;
    const uint8_t *params;
    int threads, groupX, groupY, gridX;
    std::vector<uint64_t> regs;
    std::vector<uint8_t> shared, written, local;
    std::vector<Lane> lanes;
    Range last;

    Group(const Kernel &kernel, const uint8_t *p, int n, int gx)
        : k(kernel), params(p), threads(n), gridX(gx), regs((size_t)n * kernel.registers), shared(kernel.shared), written(kernel.shared),
          local((size_t)n * kernel.local), lanes(n) {}

    uint8_t *address(const Instruction &i, int lane, uint64_t at, int size, bool write) {
        if (at % size) fail("line %d lane %d: address %llx is not aligned to %d bytes", i.line, lane, (unsigned long long)at, size);
        switch (i.space) {
        case GLOBAL:
            if (at < last.from || at + size > last.to) {
                auto next = allocations.upper_bound(at);
                if (next == allocations.begin())
                    fail("line %d group (%d,%d) lane %d: global %s outside of all memory", i.line, groupX, groupY, lane,
                         write ? "write" : "read");
                --next;
                last.from = next->first;
                last.to = next->first + next->second;
                if (at + size > last.to)
                    fail("line %d group (%d,%d) lane %d: global %s %lld bytes behind an allocation of %lld", i.line, groupX, groupY, lane,
                         write ? "write" : "read", (long long)(at - last.to), (long long)next->second);
            }
            return (uint8_t *)at;
        case SHARED:
            if (at + size > shared.size())
                fail("line %d lane %d: shared %s at %lld of %zu", i.line, lane, write ? "write" : "read", (long long)at, shared.size());
            if (write) memset(&written[at], 1, size);
            else
                for (int b = 0; b < size; b++)
                    if (!written[at + b]) fail("line %d lane %d: shared memory at %lld was never written", i.line, lane, (long long)at);
            return &shared[at];
        default:
            if (at + size > (uint64_t)k.local) fail("line %d lane %d: local at %lld of %d", i.line, lane, (long long)at, k.local);
            return &local[(size_t)lane * k.local + at];
        }
    }

    void run(int lane) { // until a barrier, an mma or the end
        uint64_t *r = &regs[(size_t)lane * k.registers];
        int pc = lanes[lane].pc;
        const Instruction *code = k.code.data();
        const int end = (int)k.code.size();
        auto get = [&](const Operand &o) -> uint64_t {
            switch (o.kind) {
            case REG: return r[o.reg];
            case IMM: return o.value;
            case TIDX: return lane;
            case NTIDX: return threads;
            case CTAIDX: return groupX;
            case CTAIDY: return groupY;
            case NCTAIDX: return gridX;
            default: return lane % 32;
            }
        };
        for (;; pc++) {
            if (pc >= end) {
                lanes[lane] = {pc, true};
                return;
            }
            const Instruction &i = code[pc];
            if (i.guard >= 0 && (r[i.guard] != 0) == i.guardFalse) {
                if (i.code == BAR || i.code == MMA) fail("line %d: guarded barrier", i.line);
                continue;
            }
            uint64_t a, b, c;
            switch (i.code) {
            case BRA: pc = i.target - 1; continue;
            case RET: lanes[lane] = {pc, true}; return;
            case BAR:
            case MMA: lanes[lane].pc = pc; return;
            case MOV:
                a = get(i.o[1]);
                r[i.o[0].reg] = bytes(i.type) == 4 ? (uint32_t)a : a;
                continue;
            case CVTA: r[i.o[0].reg] = get(i.o[1]); continue;
            case LD: {
                int size = bytes(i.type);
                const uint8_t *from;
                if (i.space == PARAM) {
                    if (i.offset + size > k.params) fail("line %d: parameter at %lld", i.line, (long long)i.offset);
                    from = params + i.offset;
                } else from = address(i, lane, get(i.o[i.vector]) + i.offset, size * i.vector, false);
                for (int v = 0; v < i.vector; v++) {
                    uint64_t value = 0;
                    memcpy(&value, from + v * size, size);
                    r[i.o[v].reg] = value;
                }
                continue;
            }
            case ST: {
                int size = bytes(i.type);
                uint8_t *to = address(i, lane, get(i.o[0]) + i.offset, size * i.vector, true);
                for (int v = 0; v < i.vector; v++) {
                    uint64_t value = get(i.o[1 + v]);
                    memcpy(to + v * size, &value, size);
                }
                continue;
            }
            case SELP:
                a = get(i.o[1]);
                b = get(i.o[2]);
                r[i.o[0].reg] = r[i.o[3].reg] ? a : b;
                if (bytes(i.type) == 4) r[i.o[0].reg] &= 0xffffffffu;
                continue;
            case SETP: {
                a = get(i.o[1]);
                b = get(i.o[2]);
                r[i.o[0].reg] = compared(i, a, b);
                continue;
            }
            case CVT: {
                a = get(i.o[1]);
                r[i.o[0].reg] = converted(i, a);
                continue;
            }
            default: break;
            }
            a = get(i.o[1]);
            b = i.count > 2 ? get(i.o[2]) : 0;
            c = i.count > 3 ? get(i.o[3]) : 0;
            r[i.o[0].reg] = computed(i, a, b, c);
        }
    }

    static float half(uint32_t word, int k) { return f32((uint64_t)(k ? word & 0xffff0000u : word << 16)); }

    void multiply(int warp, const Instruction &i) { // m16n8k8 tf32 or m16n8k16 bf16: PTX ISA, matrix fragments
        auto reg = [&](int lane, int n) -> uint64_t & { return regs[(size_t)(warp * 32 + lane) * k.registers + i.o[n].reg]; };
        int depth = i.bf16 ? 16 : 8;
        float A[16][16] = {}, B[16][8] = {};
        for (int lane = 0; lane < 32; lane++) {
            int g = lane / 4, t = lane % 4;
            for (int n = 0; n < 4; n++) {
                uint32_t w = (uint32_t)reg(lane, 4 + n);
                int row = g + 8 * (n & 1);
                if (i.bf16)
                    for (int h = 0; h < 2; h++) A[row][2 * t + h + 8 * (n >> 1)] = half(w, h);
                else A[row][t + 4 * (n >> 1)] = f32(w & 0xffffe000u);
            }
            for (int n = 0; n < 2; n++) {
                uint32_t w = (uint32_t)reg(lane, 8 + n);
                if (i.bf16)
                    for (int h = 0; h < 2; h++) B[2 * t + h + 8 * n][g] = half(w, h);
                else B[t + 4 * n][g] = f32(w & 0xffffe000u);
            }
        }
        for (int lane = 0; lane < 32; lane++)
            for (int n = 0; n < 4; n++) {
                int row = lane / 4 + 8 * (n >> 1), column = 2 * (lane % 4) + (n & 1);
                float sum = f32(reg(lane, 10 + n));
                for (int d = 0; d < depth; d++) sum += A[row][d] * B[d][column];
                reg(lane, n) = bits(sum);
            }
    }

    void group(int gx, int gy, bool reverse) {
        groupX = gx;
        groupY = gy;
        std::fill(lanes.begin(), lanes.end(), Lane{});
        std::fill(written.begin(), written.end(), 0);
        std::fill(shared.begin(), shared.end(), 0xff);
        std::fill(local.begin(), local.end(), 0xff);
        int warps = (threads + 31) / 32;
        for (;;) {
            for (int n = 0; n < warps; n++) {
                int warp = reverse ? warps - 1 - n : n, from = warp * 32, to = std::min(threads, from + 32);
                for (;;) {
                    for (int lane = 0; lane < to - from; lane++) {
                        int l = reverse ? to - 1 - lane : from + lane;
                        if (!lanes[l].done) run(l);
                    }
                    int multiplying = 0;
                    for (int l = from; l < to; l++) multiplying += !lanes[l].done && k.code[lanes[l].pc].code == MMA;
                    if (!multiplying) break;
                    const Instruction &i = k.code[lanes[from].pc];
                    for (int l = from; l < to; l++)
                        if (lanes[l].done || lanes[l].pc != lanes[from].pc)
                            fail("line %d: mma.sync is not reached by lane %d of warp %d", i.line, l - from, warp);
                    multiply(warp, i);
                    for (int l = from; l < to; l++) lanes[l].pc++;
                }
            }
            int waiting = 0;
            for (auto &lane : lanes) waiting += !lane.done;
            if (!waiting) return;
            for (auto &lane : lanes)
                if (lane.done || lane.pc != lanes[0].pc)
                    fail("line %d: bar.sync is reached by %d of %d threads", k.code[lane.pc].line, waiting, threads);
            for (auto &lane : lanes) lane.pc++;
        }
    }
};
} // namespace
