using System.Reflection;
using System.Reflection.Emit;

namespace IlgpuEmulator;

/// <summary>
/// The types on the evaluation stack before each call that may wait, so that they can be set aside. Opcodes that kernels hardly
/// use leave an unknown type; only when such a value must be set aside is that an error.
/// </summary>
internal sealed class StackTypes
{
    private readonly MethodBase _method;
    private readonly Dictionary<int, Type?[]> _atBranchTarget = [];
    private readonly Stack<Type?> _stack = new();
    private readonly Dictionary<int, Type?[]> _beforeCall = [];
    private readonly Dictionary<int, Type?> _compared = [];

    internal StackTypes(MethodBase method, List<IlInstruction> code)
    {
        _method = method;
        bool reachable = true;
        Type? constraint = null;
        foreach (var instruction in code)
        {
            if (_atBranchTarget.TryGetValue(instruction.Offset, out var known))
                Replace(known);
            else if (!reachable)
                _stack.Clear();
            if (instruction.IsCall && Barriers.CanReach(Barriers.Target(instruction, constraint)))
                _beforeCall[instruction.Offset] = [.. _stack.Reverse()];
            if (instruction.Op.StackBehaviourPop == StackBehaviour.Pop1_pop1 && _stack.Count > 1)
                _compared[instruction.Offset] = _stack.Peek() ?? _stack.ElementAt(1);
            Step(instruction);
            constraint = instruction.Op == OpCodes.Constrained ? (Type)instruction.Operand! : null;
            reachable = instruction.Op.FlowControl is not (FlowControl.Branch or FlowControl.Return or FlowControl.Throw);
        }
    }

    /// <summary>Per waiting call its IL offset and the types below its arguments, bottom first.</summary>
    internal IEnumerable<(int Offset, Type[] Types)> BelowArguments(IEnumerable<IlInstruction> code)
    {
        foreach (var call in code)
        {
            if (!_beforeCall.TryGetValue(call.Offset, out var all))
                continue;
            var callee = (MethodBase)call.Operand!;
            int arguments = callee.GetParameters().Length + (callee.IsStatic ? 0 : 1);
            var below = all[..^arguments];
            if (below.Contains(null))
                throw new NotSupportedException(
                    $"{_method.Name} waits at a barrier in the middle of an expression; assign the call's result to a local first.");
            yield return (call.Offset, [.. below.OfType<Type>()]);
        }
    }

    /// <summary>The type of what an instruction of two operands takes, if it is known.</summary>
    internal Type? Compared(IlInstruction instruction) => _compared.GetValueOrDefault(instruction.Offset);

    private void Replace(Type?[] types)
    {
        _stack.Clear();
        foreach (var type in types)
            _stack.Push(type);
    }

    private void Step(IlInstruction instruction)
    {
        var op = instruction.Op;
        string name = op.Name!;
        if (instruction.Operand is MethodBase method && (instruction.IsCall || op == OpCodes.Newobj))
            Call(method, op == OpCodes.Newobj);
        else if (op == OpCodes.Dup)
            _stack.Push(_stack.Peek());
        else if (op != OpCodes.Ret)
            General(instruction, name);
        if (op.FlowControl is FlowControl.Branch or FlowControl.Cond_Branch)
        {
            int[] targets = instruction.Operand as int[] ?? [(int)instruction.Operand!];
            foreach (int target in targets)
                _atBranchTarget.TryAdd(target, [.. _stack.Reverse()]);
        }
    }

    private void Call(MethodBase method, bool constructs)
    {
        int pops = method.GetParameters().Length + (method.IsStatic || constructs ? 0 : 1);
        for (int i = 0; i < pops; i++)
            _stack.Pop();
        // A struct may also be constructed in place, by calling its constructor on an address.
        var result = constructs ? method.DeclaringType! : (method as MethodInfo)?.ReturnType ?? typeof(void);
        if (result != typeof(void))
            _stack.Push(result);
    }

    private void General(IlInstruction instruction, string name)
    {
        var op = instruction.Op;
        int pops = Count(op.StackBehaviourPop);
        Type? operand = null;
        for (int i = 0; i < pops; i++)
            operand = _stack.Pop();
        if (Count(op.StackBehaviourPush) > 0)
            _stack.Push(ResultType(instruction, name, operand));
    }

    /// <summary>The type an instruction pushes; <paramref name="operand"/> is the deepest value it popped.</summary>
    private Type? ResultType(IlInstruction instruction, string name, Type? operand)
    {
        int dot = name.IndexOf('.');
        string verb = dot < 0 ? name : name[..dot];
        string suffix = dot < 0 ? "" : name[(dot + 1)..];
        switch (verb)
        {
            case "ldarg" or "ldarga":
                return Variable(instruction, suffix, LaneFrame.ArgumentTypes(_method), verb == "ldarga");
            case "ldloc" or "ldloca":
                return Variable(instruction, suffix, _method.GetMethodBody()!.LocalVariables.Select(l => l.LocalType), verb == "ldloca");
            case "ldfld" or "ldsfld":
                return ((FieldInfo)instruction.Operand!).FieldType;
            case "ldflda" or "ldsflda":
                return ((FieldInfo)instruction.Operand!).FieldType.MakeByRefType();
            case "ldobj":
                return (Type)instruction.Operand!;
            case "ceq" or "cgt" or "clt" or "sizeof":
                return typeof(int);
            case "add" or "sub" or "mul" or "div" or "rem" or "and" or "or" or "xor" or "shl" or "shr" or "neg" or "not":
                return operand;
            case "ldc" or "ldind" or "conv":
                return Primitive(suffix);
            default:
                return null;
        }
    }

    private static Type? Primitive(string suffix) => suffix.Split('.').Last(IsTypeName) switch
    {
        "i4" or "i2" or "i1" or "m1" or "u4" or "u2" or "u1" => typeof(int),
        "i8" or "u8" => typeof(long),
        "r4" => typeof(float),
        "r8" or "r" => typeof(double),
        "i" or "u" => typeof(nint),
        _ => null,
    };

    private static bool IsTypeName(string part) => part is not ("un" or "s") && !int.TryParse(part, out _);

    private static Type Variable(IlInstruction instruction, string suffix, IEnumerable<Type> types, bool address)
    {
        int index = instruction.Operand as int? ?? suffix[0] - '0';
        var type = types.ElementAt(index);
        return address ? type.MakeByRefType() : type;
    }

    private static int Count(StackBehaviour behaviour) => behaviour switch
    {
        StackBehaviour.Pop0 or StackBehaviour.Push0 => 0,
        StackBehaviour.Pop1 or StackBehaviour.Popi or StackBehaviour.Popref => 1,
        StackBehaviour.Push1 or StackBehaviour.Pushi or StackBehaviour.Pushi8 or StackBehaviour.Pushr4 or StackBehaviour.Pushr8
            or StackBehaviour.Pushref => 1,
        StackBehaviour.Pop1_pop1 or StackBehaviour.Popi_pop1 or StackBehaviour.Popi_popi or StackBehaviour.Popi_popi8
            or StackBehaviour.Popi_popr4 or StackBehaviour.Popi_popr8 or StackBehaviour.Popref_pop1 or StackBehaviour.Popref_popi => 2,
        _ => 3,
    };
}
