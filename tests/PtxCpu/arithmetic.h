// What instructions compute from their operands, as the PTX ISA says.
#pragma once
#include <algorithm>
#include <cmath>
#include "ptx.h"

namespace {
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

bool compared(const Instruction &i, uint64_t a, uint64_t b) {
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
    return result;
}

uint64_t converted(const Instruction &i, uint64_t a) {
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
    return v;
}

// Arithmetic of one to three operands.
uint64_t computed(const Instruction &i, uint64_t a, uint64_t b, uint64_t c) {
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
            return (uint64_t)(x * y);
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
    return v;
}
} // namespace
