using System.Reflection;
using System.Runtime.CompilerServices;

namespace IlgpuEmulator;

/// <summary>
/// Where a suspended call keeps its state: the number of the place to resume at, its result, its arguments and its locals, then the
/// frame of the call it waits in. References to locals point into the frame, so they survive a suspension.
/// </summary>
internal sealed class LaneFrame
{
    internal const int StateOffset = 0;
    internal const int ResultOffset = 16;
    private const int Slot = 16;

    private static readonly MethodInfo SizeOfMethod = typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!;

    private int _end;

    internal LaneFrame(MethodBase method)
    {
        var result = method is MethodInfo { ReturnType: var type } ? type : typeof(void);
        if (result.IsByRef)
            throw new NotSupportedException($"{method.Name} waits at a barrier and returns a reference; return a value instead.");
        _end = ResultOffset + (result == typeof(void) ? 0 : Rounded(result));
        Arguments = [.. ArgumentTypes(method).Select(argument => Add(method, argument))];
        Locals = [.. method.GetMethodBody()!.LocalVariables.Select(local => Add(method, local.LocalType))];
        OwnBytes = _end;
    }

    internal FrameVariable[] Arguments { get; }

    internal FrameVariable[] Locals { get; }

    internal int OwnBytes { get; }

    internal static int SizeOf(Type type) =>
        type.IsByRef || type.IsPointer ? sizeof(long) : (int)SizeOfMethod.MakeGenericMethod(type).Invoke(null, null)!;

    /// <summary>What ldarg counts: in a struct's instance method argument 0 is a reference to the struct.</summary>
    internal static IEnumerable<Type> ArgumentTypes(MethodBase method)
    {
        var parameters = method.GetParameters().Select(parameter => parameter.ParameterType);
        return method is { IsStatic: false, DeclaringType: { IsValueType: true } type } ? parameters.Prepend(type.MakeByRefType()) : parameters;
    }

    /// <summary>A further slot for a value that must survive a suspension.</summary>
    internal FrameVariable Add(MethodBase method, Type type)
    {
        if (!type.IsByRef && !type.IsPointer && IsManaged(type))
            throw new NotSupportedException(
                $"{method.Name} waits at a barrier and has a variable of type {type}, which holds references; kernels cannot.");
        var variable = new FrameVariable(type, _end);
        _end += Rounded(type);
        return variable;
    }

    internal int End => _end;

    private static int Rounded(Type type) => (SizeOf(type) + Slot - 1) / Slot * Slot;

    private static bool IsManaged(Type type) =>
        (bool)typeof(RuntimeHelpers)
            .GetMethod(nameof(RuntimeHelpers.IsReferenceOrContainsReferences))!
            .MakeGenericMethod(type)
            .Invoke(null, null)!;
}

/// <summary>An argument or local in a frame. References are kept as addresses: what they point to never moves.</summary>
internal sealed record FrameVariable(Type Type, int Offset)
{
    internal bool IsReference => Type.IsByRef;

    internal Type StoredType => Type.IsByRef || Type.IsPointer ? typeof(nint) : Type;
}
