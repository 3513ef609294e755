using System.Collections.Concurrent;
using System.Reflection;
using System.Reflection.Emit;

namespace IlgpuEmulator;

/// <summary>Runs a lane from where it stopped; 0 when it has ended, 1 when it waits.</summary>
internal unsafe delegate int LaneEntry(byte* frame);

/// <summary>A method in resumable form, with the bytes a lane needs for it and all it calls.</summary>
internal sealed record ResumableMethod(DynamicMethod Method, LaneEntry Entry, LaneFrame Frame, int TotalBytes);

/// <summary>
/// Rewrites methods that reach a barrier so that a lane returns to the scheduler there and continues later: the IL is copied, with
/// arguments and locals kept in a frame in unmanaged memory while the lane waits. So a barrier costs tens of nanoseconds, where a
/// thread per lane would cost microseconds.
/// </summary>
internal static class ResumableCompiler
{
    private static readonly ConcurrentDictionary<MethodBase, Lazy<ResumableMethod>> Compiled = new();

    internal static ResumableMethod Get(MethodBase method) =>
        Compiled.GetOrAdd(method, m => new Lazy<ResumableMethod>(() => Compile(m))).Value;

    private static ResumableMethod Compile(MethodBase method) =>
        Barriers.CanReach(method) && (method.IsStatic || method.DeclaringType!.IsValueType)
            ? new ResumableEmitter(method).Emit()
            : CompileDirect(method);

    /// <summary>A method that cannot wait: load its arguments from the frame and call it.</summary>
    private static ResumableMethod CompileDirect(MethodBase method)
    {
        if (!method.IsStatic && Barriers.CanReach(method))
            throw new NotSupportedException($"{method.Name} waits at a barrier, so it must be a static method.");
        var frame = new LaneFrame(method);
        var target = NewMethod(method);
        var il = target.GetILGenerator();
        // A lambda without captures is an instance method that never looks at its instance.
        if (!method.IsStatic)
            il.Emit(OpCodes.Ldnull);
        foreach (var argument in frame.Arguments)
        {
            il.Emit(OpCodes.Ldarg_0);
            il.Emit(OpCodes.Ldc_I4, argument.Offset);
            il.Emit(OpCodes.Add);
            il.Emit(OpCodes.Ldobj, argument.StoredType);
        }
        il.Emit(OpCodes.Call, (MethodInfo)method);
        il.Emit(OpCodes.Ldc_I4_0);
        il.Emit(OpCodes.Ret);
        return new ResumableMethod(target, target.CreateDelegate<LaneEntry>(), frame, frame.End);
    }

    internal static DynamicMethod NewMethod(MethodBase method) =>
        new(method.Name, typeof(int), [typeof(byte*)], method.Module, skipVisibility: true);
}
