// The types of PTX, and how what cannot be run is told.
#pragma once
#include <cstdarg>
#include <cstdio>
#include <map>
#include <string>

namespace {
enum Type { B8, B16, B32, B64, U32, U64, S32, S64, F32, F64, PRED };

struct Failure {
    std::string text;
};
[[noreturn]] void fail(const char *format, ...) {
    char text[600];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    throw Failure{text};
}

int bytes(Type t) {
    switch (t) {
    case B8: return 1;
    case B16: return 2;
    case B64:
    case U64:
    case S64:
    case F64: return 8;
    default: return 4;
    }
}
Type typeOf(const std::string &s) {
    static const std::map<std::string, Type> names = {{"b8", B8},   {"u8", B8},   {"s8", B8},   {"b16", B16}, {"u16", B16},
                                                      {"s16", B16}, {"b32", B32}, {"b64", B64}, {"u32", U32}, {"u64", U64},
                                                      {"s32", S32}, {"s64", S64}, {"f32", F32}, {"f64", F64}, {"pred", PRED}};
    auto at = names.find(s);
    if (at == names.end()) fail("type .%s", s.c_str());
    return at->second;
}
} // namespace
