using System.Collections.Concurrent;
using System.Reflection;
using System.Reflection.Emit;
using ILGPU;
using ILGPU.Runtime.Cuda;

namespace IlgpuEmulator;

/// <summary>Which methods can wait: at a barrier, or in an instruction that a whole warp runs, directly or through what they call.</summary>
internal static class Barriers
{
    private static readonly ConcurrentDictionary<MethodBase, bool> Known = new();

    internal static bool IsBarrier(MethodBase method) =>
        method.DeclaringType == typeof(Group) && method.Name == nameof(Group.Barrier);

    /// <summary>An instruction for which the lanes of a warp wait for each other.</summary>
    internal static bool IsWarpInstruction(MethodBase method) => method.DeclaringType == typeof(CudaAsm);

    internal static bool CanReach(MethodBase method) => CanReach(method, []);

    /// <param name="method">The method asked about.</param>
    /// <param name="open">The methods on the way to it, of this call alone: what is not found out yet must not be seen by another thread.</param>
    private static bool CanReach(MethodBase method, HashSet<MethodBase> open)
    {
        if (IsBarrier(method) || IsWarpInstruction(method))
            return true;
        if (Known.TryGetValue(method, out bool known))
            return known;
        if (!IsUserCode(method))
            return false;
        // A cycle cannot reach more than its members do otherwise; recursion is not allowed in kernels anyway.
        if (!open.Add(method))
            return false;
        bool reaches = false;
        Type? constraint = null;
        foreach (var instruction in IlReader.Read(method))
        {
            if (instruction.Op == OpCodes.Constrained)
                constraint = (Type)instruction.Operand!;
            if (instruction.IsCall && CanReach(Target(instruction, constraint), open))
            {
                reaches = true;
                break;
            }
            if (instruction.Op != OpCodes.Constrained)
                constraint = null;
        }
        Known[method] = reaches;
        return reaches;
    }

    /// <summary>The method a call lands in, interface methods of a constrained type resolved.</summary>
    internal static MethodBase Target(IlInstruction call, Type? constraint)
    {
        var method = (MethodBase)call.Operand!;
        if (constraint is null || method.DeclaringType is not { IsInterface: true } contract || constraint.IsInterface)
            return method;
        var generic = method.IsGenericMethod ? ((MethodInfo)method).GetGenericMethodDefinition() : method;
        var map = constraint.GetInterfaceMap(contract);
        int index = Array.IndexOf(map.InterfaceMethods, generic);
        if (index < 0 || map.TargetMethods[index] is not { } target)
            return method;
        return method.IsGenericMethod && target.IsGenericMethodDefinition
            ? target.MakeGenericMethod(method.GetGenericArguments())
            : target;
    }

    private static bool IsUserCode(MethodBase method)
    {
        if (method.GetMethodBody() is null || method is DynamicMethod || method.DeclaringType is not { } type)
            return false;
        var assembly = type.Assembly;
        return assembly != typeof(Barriers).Assembly && assembly.GetName().Name?.StartsWith("System", StringComparison.Ordinal) != true;
    }
}
