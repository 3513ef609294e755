using System.Reflection;
using System.Reflection.Emit;

namespace IlgpuEmulator;

internal sealed partial class ResumableEmitter
{
    private static readonly MethodInfo Arrive =
        typeof(LaneContext).GetMethod(nameof(LaneContext.Arrive), BindingFlags.NonPublic | BindingFlags.Static)!;

    private static readonly Dictionary<OpCode, OpCode> LongForms = new()
    {
        [OpCodes.Br_S] = OpCodes.Br,
        [OpCodes.Brtrue_S] = OpCodes.Brtrue,
        [OpCodes.Brfalse_S] = OpCodes.Brfalse,
        [OpCodes.Beq_S] = OpCodes.Beq,
        [OpCodes.Bge_S] = OpCodes.Bge,
        [OpCodes.Bgt_S] = OpCodes.Bgt,
        [OpCodes.Ble_S] = OpCodes.Ble,
        [OpCodes.Blt_S] = OpCodes.Blt,
        [OpCodes.Bne_Un_S] = OpCodes.Bne_Un,
        [OpCodes.Bge_Un_S] = OpCodes.Bge_Un,
        [OpCodes.Bgt_Un_S] = OpCodes.Bgt_Un,
        [OpCodes.Ble_Un_S] = OpCodes.Ble_Un,
        [OpCodes.Blt_Un_S] = OpCodes.Blt_Un,
    };

    private void EmitInstruction(IlInstruction instruction, Type? constraint)
    {
        var op = instruction.Op;
        if (EmitVariableAccess(op, instruction.Operand) || op == OpCodes.Constrained || op == OpCodes.Tailcall)
            return;
        if (instruction.IsCall)
            EmitCall(instruction, constraint);
        else if (op == OpCodes.Ret)
            EmitReturn();
        else
            EmitOther(LongForms.GetValueOrDefault(op, op), instruction.Operand);
    }

    private bool EmitVariableAccess(OpCode op, object? operand)
    {
        string name = op.Name!;
        int dot = name.IndexOf('.');
        string verb = dot < 0 ? name : name[..dot];
        if (verb is not ("ldarg" or "ldarga" or "starg" or "ldloc" or "ldloca" or "stloc"))
            return false;
        int index = operand as int? ?? name[dot + 1] - '0';
        var variable = verb.Contains("arg", StringComparison.Ordinal) ? _frame.Arguments[index] : _frame.Locals[index];
        if (verb.StartsWith("st", StringComparison.Ordinal))
            Store(variable);
        else if (verb.EndsWith('a'))
            LoadAddress(variable.Offset);
        else
            Load(variable);
        return true;
    }

    private void EmitReturn()
    {
        if (_method is MethodInfo { ReturnType: var type } && type != typeof(void))
            StoreFromStack(LaneFrame.ResultOffset, type);
        _il.Emit(OpCodes.Ldc_I4_0);
        _il.Emit(OpCodes.Ret);
    }

    private void EmitCall(IlInstruction instruction, Type? constraint)
    {
        var declared = (MethodBase)instruction.Operand!;
        var target = Barriers.Target(instruction, constraint);
        if (Barriers.IsBarrier(target) || Barriers.IsWarpInstruction(target))
        {
            // The arguments are on the stack: a barrier's are its place in the source, a warp's instruction takes its own.
            EmitWait(instruction, Barriers.IsBarrier(target) ? Arrive : (MethodInfo)target);
            return;
        }
        if (Barriers.CanReach(target))
        {
            EmitNestedCall(instruction, target);
            return;
        }
        if (constraint is not null && target == declared)
            _il.Emit(OpCodes.Constrained, constraint);
        var op = target == declared ? instruction.Op : OpCodes.Call;
        if (target is ConstructorInfo constructor)
            _il.Emit(op, constructor);
        else
            _il.Emit(op, (MethodInfo)target);
    }

    private void EmitWait(IlInstruction instruction, MethodInfo arrive)
    {
        _il.Emit(OpCodes.Call, arrive);
        var spilled = Spill(instruction);
        int state = Suspend();
        var resume = _il.DefineLabel();
        _resumePoints.Add((resume, state));
        _il.MarkLabel(resume);
        Unspill(spilled);
    }

    private void EmitNestedCall(IlInstruction instruction, MethodBase target)
    {
        if (target is { IsStatic: false, DeclaringType.IsValueType: false })
            throw new NotSupportedException($"{target.Name} waits at a barrier, so it must be a static method or a struct's.");
        var callee = ResumableCompiler.Get(target);
        int child = _frame.End;
        _childBytes = Math.Max(_childBytes, callee.TotalBytes);
        for (int i = callee.Frame.Arguments.Length - 1; i >= 0; i--)
        {
            var argument = callee.Frame.Arguments[i];
            if (argument.IsReference)
                _il.Emit(OpCodes.Conv_U);
            StoreFromStack(child + argument.Offset, argument.StoredType);
        }
        ClearChild(callee.Frame, child);
        var spilled = Spill(instruction);
        var call = _il.DefineLabel();
        var ended = _il.DefineLabel();
        _il.MarkLabel(call);
        LoadAddress(child);
        _il.Emit(OpCodes.Call, callee.Method);
        _il.Emit(OpCodes.Brfalse, ended);
        _resumePoints.Add((call, Suspend()));
        _il.MarkLabel(ended);
        Unspill(spilled);
        if (target is MethodInfo { ReturnType: var result } && result != typeof(void))
        {
            LoadAddress(child + LaneFrame.ResultOffset);
            _il.Emit(OpCodes.Ldobj, result);
        }
    }

    /// <summary>A call starts at its beginning, with zeroed locals; its arguments have been stored already.</summary>
    private void ClearChild(LaneFrame callee, int child)
    {
        LoadAddress(child);
        _il.Emit(OpCodes.Ldc_I4_0);
        _il.Emit(OpCodes.Stind_I4);
        if (callee.Locals.Length == 0)
            return;
        LoadAddress(child + callee.Locals[0].Offset);
        _il.Emit(OpCodes.Ldc_I4_0);
        _il.Emit(OpCodes.Ldc_I4, callee.OwnBytes - callee.Locals[0].Offset);
        _il.Emit(OpCodes.Initblk);
    }

    /// <summary>Saves the variables and returns to the caller; the result is the state that resumes after this point.</summary>
    private int Suspend()
    {
        int state = _resumePoints.Count + 1;
        Save();
        StoreState(state);
        _il.Emit(OpCodes.Ldc_I4_1);
        _il.Emit(OpCodes.Ret);
        return state;
    }

    private FrameVariable[] Spill(IlInstruction instruction)
    {
        var spilled = _spills[instruction.Offset];
        foreach (var variable in spilled.Reverse())
            Store(variable);
        return spilled;
    }

    private void Unspill(FrameVariable[] spilled)
    {
        foreach (var variable in spilled)
            Load(variable);
    }

    private void EmitOther(OpCode op, object? operand)
    {
        switch (operand)
        {
            case null:
                _il.Emit(op);
                break;
            case int[] targets:
                _il.Emit(op, targets.Select(target => _labels[target]).ToArray());
                break;
            case int target when op.OperandType == OperandType.InlineBrTarget:
                _il.Emit(op, _labels[target]);
                break;
            case int value:
                _il.Emit(op, value);
                break;
            case sbyte value:
                _il.Emit(op, value);
                break;
            case byte value:
                _il.Emit(op, value);
                break;
            case long value:
                _il.Emit(op, value);
                break;
            case float value:
                _il.Emit(op, value);
                break;
            case double value:
                _il.Emit(op, value);
                break;
            case string value:
                _il.Emit(op, value);
                break;
            case Type type:
                _il.Emit(op, type);
                break;
            case FieldInfo field:
                _il.Emit(op, field);
                break;
            case ConstructorInfo constructor:
                _il.Emit(op, constructor);
                break;
            case MethodInfo method:
                _il.Emit(op, method);
                break;
            default:
                throw new NotSupportedException($"{_method.Name} uses {op}, which the emulator does not know.");
        }
    }
}
