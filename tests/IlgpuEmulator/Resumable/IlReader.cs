using System.Reflection;
using System.Reflection.Emit;

namespace IlgpuEmulator;

/// <summary>One IL instruction; the operand is resolved (method, field, type, string), a number, or branch targets as offsets.</summary>
internal sealed record IlInstruction(int Offset, OpCode Op, object? Operand)
{
    internal bool IsCall => Op == OpCodes.Call || Op == OpCodes.Callvirt;
}

/// <summary>Decodes method bodies.</summary>
internal static class IlReader
{
    private static readonly Dictionary<int, OpCode> Codes = typeof(OpCodes)
        .GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(field => (OpCode)field.GetValue(null)!)
        .ToDictionary(code => (ushort)code.Value, code => code)
        .ToDictionary(pair => (int)pair.Key, pair => pair.Value);

    internal static List<IlInstruction> Read(MethodBase method)
    {
        byte[] il = method.GetMethodBody()?.GetILAsByteArray()
            ?? throw new NotSupportedException($"{method.Name} has no IL body.");
        var instructions = new List<IlInstruction>();
        int at = 0;
        while (at < il.Length)
        {
            int offset = at;
            int code = il[at++];
            if (code == 0xFE)
                code = 0xFE00 | il[at++];
            var op = Codes[code];
            object? operand = ReadOperand(method, op, il, ref at);
            instructions.Add(new IlInstruction(offset, op, operand));
        }
        return instructions;
    }

    private static object? ReadOperand(MethodBase method, OpCode op, byte[] il, ref int at)
    {
        int start = at;
        switch (op.OperandType)
        {
            case OperandType.InlineNone:
                return null;
            case OperandType.ShortInlineBrTarget:
                at += 1;
                return at + (sbyte)il[start];
            case OperandType.ShortInlineI:
                at += 1;
                return op == OpCodes.Ldc_I4_S ? (sbyte)il[start] : il[start];
            case OperandType.ShortInlineVar:
                at += 1;
                return (int)il[start];
            case OperandType.InlineVar:
                at += 2;
                return (int)BitConverter.ToUInt16(il, start);
            case OperandType.InlineBrTarget:
                at += 4;
                return at + BitConverter.ToInt32(il, start);
            case OperandType.InlineI:
                at += 4;
                return BitConverter.ToInt32(il, start);
            case OperandType.ShortInlineR:
                at += 4;
                return BitConverter.ToSingle(il, start);
            case OperandType.InlineI8:
                at += 8;
                return BitConverter.ToInt64(il, start);
            case OperandType.InlineR:
                at += 8;
                return BitConverter.ToDouble(il, start);
            case OperandType.InlineSwitch:
                int count = BitConverter.ToInt32(il, start);
                at += 4 + (4 * count);
                int end = at;
                return Enumerable.Range(0, count).Select(i => end + BitConverter.ToInt32(il, start + 4 + (4 * i))).ToArray();
            default:
                at += 4;
                return Resolve(method, op, BitConverter.ToInt32(il, start));
        }
    }

    private static object Resolve(MethodBase method, OpCode op, int token)
    {
        var typeArguments = method.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : null;
        var methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : null;
        return op.OperandType switch
        {
            OperandType.InlineString => method.Module.ResolveString(token),
            OperandType.InlineMethod => method.Module.ResolveMethod(token, typeArguments, methodArguments)!,
            OperandType.InlineField => method.Module.ResolveField(token, typeArguments, methodArguments)!,
            OperandType.InlineType => method.Module.ResolveType(token, typeArguments, methodArguments),
            OperandType.InlineTok => method.Module.ResolveMember(token, typeArguments, methodArguments)!,
            _ => throw new NotSupportedException($"{method.Name} uses {op}, which kernels cannot."),
        };
    }
}
