// One group of threads: the lanes run one after the other from barrier to barrier, and what a GPU would leave undefined is an error.
#pragma once
#include <algorithm>
#include <cmath>
#include "ptx.h"

namespace {
// Allocations, so that an access outside of all is found.
std::map<uint64_t, uint64_t> allocations;
uint64_t allocated = 0;
struct Range {
    uint64_t from = 1, to = 0;
};

float f32(uint64_t v) {
    float f;
    uint32_t b = (uint32_t)v;
    memcpy(&f, &b, 4);
    return f;
}
double f64(uint64_t v) {
    double d;
    memcpy(&d, &v, 8);
    return d;
}
uint64_t bits(float f) {
    uint32_t b;
    memcpy(&b, &f, 4);
    return b;
}
uint64_t bits(double d) {
    uint64_t b;
    memcpy(&b, &d, 8);
    return b;
}

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
                bool result;
#define COMPARE(x, y)                                                                                                                      \
    (i.compare == EQ   ? (x) == (y)                                                                                                        \
     : i.compare == NE ? (x) != (y)                                                                                                        \
     : i.compare == LT ? (x) < (y)                                                                                                         \
     : i.compare == LE ? (x) <= (y)                                                                                                        \
     : i.compare == GT ? (x) > (y)                                                                                                         \
                       : (x) >= (y))
#define FLOATING(x, y) (std::isnan(x) || std::isnan(y) ? i.unordered : COMPARE(x, y))
                switch (i.type) {
                case F32: result = FLOATING(f32(a), f32(b)); break;
                case F64: result = FLOATING(f64(a), f64(b)); break;
                case S32: result = COMPARE((int32_t)a, (int32_t)b); break;
                case S64: result = COMPARE((int64_t)a, (int64_t)b); break;
                case U32:
                case B32: result = COMPARE((uint32_t)a, (uint32_t)b); break;
                default: result = COMPARE(a, b); break;
                }
                r[i.o[0].reg] = result;
                continue;
            }
            case CVT: {
                a = get(i.o[1]);
                double d;
                uint64_t v;
                switch (i.from) {
                case F32: d = f32(a); break;
                case F64: d = f64(a); break;
                default: d = 0;
                }
                int64_t n = i.from == S32 ? (int64_t)(int32_t)a : i.from == U32 || i.from == B32 ? (int64_t)(uint32_t)a : (int64_t)a;
                bool floating = i.from == F32 || i.from == F64;
                switch (i.type) {
                case F32: v = floating ? bits((float)d) : i.from == U64 ? bits((float)(uint64_t)n) : bits((float)n); break;
                case F64: v = floating ? bits(d) : bits((double)n); break;
                case S32:
                    v = (uint32_t)(floating ? std::isnan(d)        ? 0
                                              : d <= -2147483648.0 ? INT32_MIN
                                              : d >= 2147483647.0  ? INT32_MAX
                                                                   : (int32_t)d
                                            : (int32_t)n);
                    break;
                case U32:
                case B32:
                    if (floating) fail("line %d: conversion", i.line);
                    v = (uint32_t)n;
                    break;
                case S64:
                case U64:
                    v = floating ? std::isnan(d)                 ? 0
                                   : d <= -9.2233720368547758e18 ? (uint64_t)INT64_MIN
                                   : d >= 9.2233720368547758e18  ? (uint64_t)INT64_MAX
                                                                 : (uint64_t)(int64_t)d
                                 : (uint64_t)n;
                    break;
                default: fail("line %d: conversion", i.line);
                }
                r[i.o[0].reg] = v;
                continue;
            }
            default: break;
            }
            // Arithmetic of one to three operands.
            a = get(i.o[1]);
            b = i.count > 2 ? get(i.o[2]) : 0;
            c = i.count > 3 ? get(i.o[3]) : 0;
            uint64_t v = 0;
#define UNKNOWN fail("line %d: instruction of this type", i.line)
            if (i.type == F32) {
                float x = f32(a), y = f32(b), z;
                switch (i.code) {
                case ADD: z = x + y; break;
                case SUB: z = x - y; break;
                case MUL_LO: z = x * y; break;
                case DIV: z = x / y; break;
                case MIN: z = fminf(x, y); break;
                case MAX: z = fmaxf(x, y); break;
                case NEG: z = -x; break;
                case ABS: z = fabsf(x); break;
                case SQRT: z = sqrtf(x); break;
                case RCP: z = 1 / x; break;
                case FMA:
                case MAD_LO: z = fmaf(x, y, f32(c)); break;
                default: UNKNOWN;
                }
                v = bits(z);
            } else if (i.type == F64) {
                double x = f64(a), y = f64(b), z;
                switch (i.code) {
                case ADD: z = x + y; break;
                case SUB: z = x - y; break;
                case MUL_LO: z = x * y; break;
                case DIV: z = x / y; break;
                case MIN: z = fmin(x, y); break;
                case MAX: z = fmax(x, y); break;
                case NEG: z = -x; break;
                case ABS: z = fabs(x); break;
                case SQRT: z = sqrt(x); break;
                case RCP: z = 1 / x; break;
                case FMA:
                case MAD_LO: z = fma(x, y, f64(c)); break;
                default: UNKNOWN;
                }
                v = bits(z);
            } else if (i.type == PRED) {
                switch (i.code) {
                case AND: v = a && b; break;
                case OR: v = a || b; break;
                case XOR: v = (a != 0) != (b != 0); break;
                case NOT: v = !a; break;
                default: UNKNOWN;
                }
            } else {
                bool sign = i.type == S32 || i.type == S64, wide = bytes(i.type) == 8;
                int64_t x = wide   ? (int64_t)a
                            : sign ? (int64_t)(int32_t)a
                                   : (int64_t)(uint32_t)a,
                        y = wide   ? (int64_t)b
                            : sign ? (int64_t)(int32_t)b
                                   : (int64_t)(uint32_t)b;
                uint32_t shift = (uint32_t)b;
                int width = wide ? 64 : 32;
                switch (i.code) {
                case ADD: v = (uint64_t)x + (uint64_t)y; break;
                case SUB: v = (uint64_t)x - (uint64_t)y; break;
                case MUL_LO: v = (uint64_t)x * (uint64_t)y; break;
                case MAD_LO: v = (uint64_t)x * (uint64_t)y + c; break;
                case MUL_WIDE:
                    if (wide) UNKNOWN;
                    r[i.o[0].reg] = (uint64_t)(x * y);
                    continue;
                case DIV:
                case REM:
                    if (y == 0) v = i.code == DIV ? ~0ull : (uint64_t)x;
                    else if (!sign && wide) v = i.code == DIV ? (uint64_t)x / (uint64_t)y : (uint64_t)x % (uint64_t)y;
                    else if (sign && y == -1) v = i.code == DIV ? 0 - (uint64_t)x : 0;
                    else v = (uint64_t)(i.code == DIV ? x / y : x % y);
                    break;
                case MIN: v = !sign && wide ? std::min((uint64_t)x, (uint64_t)y) : (uint64_t)std::min(x, y); break;
                case MAX: v = !sign && wide ? std::max((uint64_t)x, (uint64_t)y) : (uint64_t)std::max(x, y); break;
                case NEG: v = 0 - (uint64_t)x; break;
                case ABS: v = (uint64_t)(x < 0 ? -x : x); break;
                case AND: v = a & b; break;
                case OR: v = a | b; break;
                case XOR: v = a ^ b; break;
                case NOT: v = ~a; break;
                case SHL: v = (int)shift >= width || shift >= 64 ? 0 : (uint64_t)x << shift; break;
                case SHR:
                    v = sign                       ? (uint64_t)(x >> (shift >= (uint32_t)width ? width - 1 : shift))
                        : shift >= (uint32_t)width ? 0
                                                   : (uint64_t)x >> shift;
                    break;
                default: UNKNOWN;
                }
                if (!wide) v = (uint32_t)v;
            }
            r[i.o[0].reg] = v;
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
