// PTX text to instructions: those that the project's kernels use. Any other is an error with its line.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>
#include "types.h"

namespace {
enum Code {
    MOV,
    LD,
    ST,
    CVTA,
    ADD,
    SUB,
    MUL_LO,
    MUL_WIDE,
    MAD_LO,
    DIV,
    REM,
    MIN,
    MAX,
    NEG,
    ABS,
    AND,
    OR,
    XOR,
    NOT,
    SHL,
    SHR,
    SETP,
    SELP,
    CVT,
    SQRT,
    RCP,
    FMA,
    BRA,
    BAR,
    MMA,
    RET
};
enum Space { GLOBAL, SHARED, LOCAL, PARAM };
enum Kind { REG, IMM, TIDX, NTIDX, CTAIDX, CTAIDY, NCTAIDX, LANE };
enum Compare { EQ, NE, LT, LE, GT, GE };

struct Operand {
    Kind kind = IMM;
    int reg = 0;
    uint64_t value = 0;
};
struct Instruction {
    Code code;
    Type type = B32, from = B32;
    Space space = GLOBAL;
    Compare compare = EQ;
    bool unordered = false, bf16 = false;
    int guard = -1, vector = 1, target = -1, line = 0;
    bool guardFalse = false;
    Operand o[14];
    int count = 0;
    int64_t offset = 0;
};
struct Kernel {
    std::vector<Instruction> code;
    int registers = 0, shared = 0, local = 0, params = 0;
};

struct Parser {
    Kernel kernel;
    std::map<std::string, int> bases;
    std::map<std::string, int64_t> shared, local;
    std::map<std::string, int> labels;
    std::map<int, std::string> jumps;
    std::string parameter;

    static std::vector<std::string> split(std::string s, const char *marks) {
        std::vector<std::string> parts;
        std::string part;
        for (char c : s)
            if (strchr(marks, c)) {
                if (!part.empty()) parts.push_back(part);
                part.clear();
            } else part += c;
        if (!part.empty()) parts.push_back(part);
        return parts;
    }
    int reg(const std::string &name) { // %rd12
        size_t digits = name.find_first_of("0123456789");
        auto base = bases.find(name.substr(0, digits));
        if (base == bases.end()) fail("register %s", name.c_str());
        return base->second + atoi(name.c_str() + digits);
    }
    Operand operand(const std::string &s) {
        Operand o;
        if (s[0] == '%') {
            if (s == "%tid.x") o.kind = TIDX;
            else if (s == "%ntid.x") o.kind = NTIDX;
            else if (s == "%ctaid.x") o.kind = CTAIDX;
            else if (s == "%ctaid.y") o.kind = CTAIDY;
            else if (s == "%nctaid.x") o.kind = NCTAIDX;
            else if (s == "%laneid") o.kind = LANE;
            else {
                o.kind = REG;
                o.reg = reg(s);
            }
        } else if (s.size() > 2 && s[0] == '0' && (s[1] == 'f' || s[1] == 'F' || s[1] == 'd' || s[1] == 'D'))
            o.value = strtoull(s.c_str() + 2, nullptr, 16);
        else if (isdigit(s[0]) || s[0] == '-')
            o.value = s[0] == '-' ? (uint64_t)strtoll(s.c_str(), nullptr, 0) : strtoull(s.c_str(), nullptr, 0);
        else if (shared.count(s)) o.value = shared[s];
        else if (local.count(s)) o.value = local[s];
        else fail("operand %s", s.c_str());
        return o;
    }
    void parse(const std::string &text) {
        std::istringstream in(text);
        std::string line;
        int number = 0;
        while (std::getline(in, line)) {
            number++;
            size_t comment = line.find("//");
            if (comment != std::string::npos) line.resize(comment);
            size_t a = line.find_first_not_of(" \t\r");
            if (a == std::string::npos) continue;
            line = line.substr(a);
            while (!line.empty() && strchr(" \t\r;", line.back())) line.pop_back();
            try {
                one(line, number);
            } catch (Failure &f) { fail("PTX line %d '%s': %s", number, line.c_str(), f.text.c_str()); }
        }
        for (auto &jump : jumps) {
            if (!labels.count(jump.second)) fail("label %s", jump.second.c_str());
            kernel.code[jump.first].target = labels[jump.second];
        }
    }
    void one(const std::string &line, int number) {
        if (line.empty() || line == "{" || line == "}" || line == ")") return;
        if (line.back() == ':') {
            labels[line.substr(0, line.size() - 1)] = (int)kernel.code.size();
            return;
        }
        if (line[0] == '.') {
            auto w = split(line, " \t[]<>;,(");
            auto allocate = [&](std::map<std::string, int64_t> &where, int &total) {
                int align = atoi(w[2].c_str()), size = atoi(w[5].c_str()) * bytes(typeOf(w[3].substr(1)));
                total = (total + align - 1) / align * align;
                where[w[4]] = total;
                total += size;
            };
            if (w[0] == ".shared") allocate(shared, kernel.shared);
            else if (w[0] == ".local") allocate(local, kernel.local);
            else if (w[0] == ".param") {
                parameter = w[4];
                kernel.params = atoi(w[5].c_str());
            } else if (w[0] == ".reg") {
                bases[w[2]] = kernel.registers;
                kernel.registers += atoi(w[3].c_str()) + 1;
            }
            return;
        }
        Instruction i;
        i.line = number;
        std::string rest = line;
        if (rest[0] == '@') {
            size_t space = rest.find_first_of(" \t");
            std::string guard = rest.substr(1, space - 1);
            rest = rest.substr(rest.find_first_not_of(" \t", space));
            i.guardFalse = guard[0] == '!';
            i.guard = reg(i.guardFalse ? guard.substr(1) : guard);
        }
        size_t space = rest.find_first_of(" \t");
        std::string op = rest.substr(0, space), args = space == std::string::npos ? "" : rest.substr(space);
        auto parts = split(op, ".");
        const std::string &name = parts[0];
        if (name == "bra") {
            i.code = BRA;
            jumps[(int)kernel.code.size()] = split(args, " \t")[0];
            kernel.code.push_back(i);
            return;
        }
        if (name == "ret") {
            i.code = RET;
            kernel.code.push_back(i);
            return;
        }
        if (name == "bar" || name == "barrier") {
            i.code = BAR;
            kernel.code.push_back(i);
            return;
        }
        std::vector<std::string> words = split(args, " \t,{}");
        if (name == "mma") {
            i.code = MMA;
            i.bf16 = op.find("bf16") != std::string::npos;
            if (words.size() != 14) fail("mma operands");
            for (auto &s : words) i.o[i.count++] = operand(s);
            kernel.code.push_back(i);
            return;
        }
        i.type = typeOf(parts.back());
        if (name == "ld" || name == "st") {
            i.code = name == "ld" ? LD : ST;
            i.space = parts[1] == "global"   ? GLOBAL
                      : parts[1] == "shared" ? SHARED
                      : parts[1] == "local"  ? LOCAL
                      : parts[1] == "param"  ? PARAM
                                             : (fail("space"), GLOBAL);
            for (auto &p : parts)
                if (p == "v2") i.vector = 2;
                else if (p == "v4") i.vector = 4;
            for (auto &s : words) {
                if (s[0] != '[') {
                    i.o[i.count++] = operand(s);
                    continue;
                }
                std::string address = s.substr(1, s.size() - 2);
                size_t plus = address.find_first_of("+-", 1);
                std::string base = address.substr(0, plus);
                if (plus != std::string::npos) i.offset = atoll(address.c_str() + plus + (address[plus] == '+'));
                if (i.space == PARAM) {
                    if (base != parameter) fail("parameter %s", base.c_str());
                } else i.o[i.count++] = operand(base);
            }
            kernel.code.push_back(i);
            return;
        }
        static const std::map<std::string, Code> codes = {
            {"mov", MOV},   {"cvta", CVTA}, {"add", ADD}, {"sub", SUB},   {"div", DIV}, {"rem", REM}, {"min", MIN}, {"max", MAX},
            {"neg", NEG},   {"abs", ABS},   {"and", AND}, {"or", OR},     {"xor", XOR}, {"not", NOT}, {"shl", SHL}, {"shr", SHR},
            {"setp", SETP}, {"selp", SELP}, {"cvt", CVT}, {"sqrt", SQRT}, {"rcp", RCP}, {"fma", FMA}};
        if (name == "mul") i.code = parts[1] == "wide" ? MUL_WIDE : MUL_LO;
        else if (name == "mad") i.code = MAD_LO;
        else {
            auto at = codes.find(name);
            if (at == codes.end()) fail("instruction %s", op.c_str());
            i.code = at->second;
        }
        for (size_t p = 1; p + 1 < parts.size(); p++)
            if (parts[p] == "approx" || parts[p] == "ftz" || parts[p] == "sat" || (i.code == MUL_LO && parts[p] == "hi"))
                fail("modifier .%s", parts[p].c_str());
        if (i.code == CVT) {
            i.from = i.type;
            i.type = typeOf(parts[parts.size() - 2]);
        }
        if (i.code == SETP) {
            std::string c = parts[1];
            i.unordered = c.size() == 3 && c[2] == 'u';
            if (c == "lo") c = "lt";
            else if (c == "ls") c = "le";
            else if (c == "hi") c = "gt";
            else if (c == "hs") c = "ge";
            c = c.substr(0, 2);
            i.compare = c == "eq"   ? EQ
                        : c == "ne" ? NE
                        : c == "lt" ? LT
                        : c == "le" ? LE
                        : c == "gt" ? GT
                        : c == "ge" ? GE
                                    : (fail("comparison"), EQ);
        }
        if (words.size() > 5) fail("operands");
        for (auto &s : words) i.o[i.count++] = operand(s);
        kernel.code.push_back(i);
    }
};
} // namespace
