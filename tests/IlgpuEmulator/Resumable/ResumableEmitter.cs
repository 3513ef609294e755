using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;

namespace IlgpuEmulator;

/// <summary>Emits the resumable form of one method (see <see cref="ResumableCompiler"/>).</summary>
internal sealed partial class ResumableEmitter
{
    private static readonly MethodInfo AsRef = typeof(Unsafe).GetMethods()
        .First(m => m.Name == nameof(Unsafe.AsRef) && m.GetParameters()[0].ParameterType == typeof(void*));

    private readonly MethodBase _method;
    private readonly List<IlInstruction> _code;
    private readonly LaneFrame _frame;
    private readonly DynamicMethod _target;
    private readonly ILGenerator _il;
    private readonly Dictionary<int, Label> _labels = [];
    private readonly Dictionary<FrameVariable, LocalBuilder> _cached = [];
    private readonly List<(Label Label, int State)> _resumePoints = [];
    private readonly Dictionary<int, FrameVariable[]> _spills = [];
    private int _childBytes;

    internal ResumableEmitter(MethodBase method)
    {
        _method = method;
        if (method.GetMethodBody()!.ExceptionHandlingClauses.Count > 0)
            throw new NotSupportedException($"{method.Name} waits at a barrier and has try blocks; kernels cannot.");
        _code = IlReader.Read(method);
        _frame = new LaneFrame(method);
        _target = ResumableCompiler.NewMethod(method);
        _il = _target.GetILGenerator();
        foreach (var (offset, types) in new StackTypes(method, _code).BelowArguments(_code))
            _spills[offset] = [.. types.Select(type => _frame.Add(method, type))];
    }

    internal ResumableMethod Emit()
    {
        foreach (var instruction in _code)
            _labels[instruction.Offset] = _il.DefineLabel();
        ChooseCachedVariables();
        var resume = _il.DefineLabel();
        var start = _il.DefineLabel();
        LoadState();
        _il.Emit(OpCodes.Brtrue, resume);
        _il.MarkLabel(start);
        Restore(_frame.Arguments);
        Type? constraint = null;
        foreach (var instruction in _code)
        {
            _il.MarkLabel(_labels[instruction.Offset]);
            EmitInstruction(instruction, constraint);
            constraint = instruction.Op == OpCodes.Constrained ? (Type)instruction.Operand! : null;
        }
        _il.MarkLabel(resume);
        Restore(_frame.Arguments);
        Restore(_frame.Locals);
        LoadState();
        _il.Emit(OpCodes.Ldc_I4_1);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Switch, _resumePoints.Select(point => point.Label).ToArray());
        // No such state: start over, which only a damaged frame could cause.
        _il.Emit(OpCodes.Br, start);
        return new ResumableMethod(_target, _target.CreateDelegate<LaneEntry>(), _frame, _frame.End + _childBytes);
    }

    /// <summary>Variables whose address nobody takes live in registers between barriers; the others stay in the frame.</summary>
    private void ChooseCachedVariables()
    {
        var addressed = new HashSet<FrameVariable>();
        foreach (var instruction in _code)
        {
            if (instruction.Op == OpCodes.Ldarga || instruction.Op == OpCodes.Ldarga_S)
                addressed.Add(_frame.Arguments[(int)instruction.Operand!]);
            if (instruction.Op == OpCodes.Ldloca || instruction.Op == OpCodes.Ldloca_S)
                addressed.Add(_frame.Locals[(int)instruction.Operand!]);
        }
        // Values set aside at a barrier are not cached: they are stored where they are saved.
        foreach (var variable in _frame.Arguments.Concat(_frame.Locals))
        {
            if (!addressed.Contains(variable))
                _cached[variable] = _il.DeclareLocal(variable.StoredType);
        }
    }

    private void LoadState()
    {
        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldind_I4);
    }

    private void StoreState(int state)
    {
        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldc_I4, state);
        _il.Emit(OpCodes.Stind_I4);
    }

    private void LoadAddress(int offset)
    {
        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldc_I4, offset);
        _il.Emit(OpCodes.Add);
    }

    private void Restore(FrameVariable[] variables)
    {
        foreach (var variable in variables)
        {
            if (!_cached.TryGetValue(variable, out var local))
                continue;
            LoadAddress(variable.Offset);
            _il.Emit(OpCodes.Ldobj, variable.StoredType);
            _il.Emit(OpCodes.Stloc, local);
        }
    }

    private void Save()
    {
        foreach (var (variable, local) in _cached)
        {
            LoadAddress(variable.Offset);
            _il.Emit(OpCodes.Ldloc, local);
            _il.Emit(OpCodes.Stobj, variable.StoredType);
        }
    }

    private void Load(FrameVariable variable)
    {
        if (_cached.TryGetValue(variable, out var local))
        {
            _il.Emit(OpCodes.Ldloc, local);
        }
        else
        {
            LoadAddress(variable.Offset);
            _il.Emit(OpCodes.Ldobj, variable.StoredType);
        }
        if (variable.IsReference)
            _il.Emit(OpCodes.Call, AsRef.MakeGenericMethod(variable.Type.GetElementType()!));
    }

    private void Store(FrameVariable variable)
    {
        if (variable.IsReference)
            _il.Emit(OpCodes.Conv_U);
        if (_cached.TryGetValue(variable, out var local))
        {
            _il.Emit(OpCodes.Stloc, local);
            return;
        }
        StoreFromStack(variable.Offset, variable.StoredType);
    }

    /// <summary>Moves the top of the stack to the frame.</summary>
    private void StoreFromStack(int offset, Type type)
    {
        var value = _il.DeclareLocal(type);
        _il.Emit(OpCodes.Stloc, value);
        LoadAddress(offset);
        _il.Emit(OpCodes.Ldloc, value);
        _il.Emit(OpCodes.Stobj, type);
    }
}
