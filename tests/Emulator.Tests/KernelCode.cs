using System.Reflection;
using System.Reflection.Emit;
using ILGPU;
using IlgpuEmulator;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>What the IL of the GPU backend says about its kernels.</summary>
internal static class KernelCode
{
    /// <summary>The kernels that a method loads, by itself or through other methods of the backend.</summary>
    public static IEnumerable<Type> StartedBy(MethodBase method) => Reached(method, called => called.DeclaringType == typeof(GpuKernels) || called.DeclaringType == typeof(GpuLauncher))
        .Select(step => step.Code.Operand).OfType<MethodBase>()
        .Where(called => called.DeclaringType == typeof(GpuEntry)).Select(called => called.GetGenericArguments()[0]).Distinct();

    /// <summary>Every instruction of a kernel and of the methods that it calls.</summary>
    public static IEnumerable<(MethodBase Method, IlInstruction Code)> Of(Type kernel) =>
        Reached(kernel.GetMethod(nameof(IGpuKernel.Run))!, called => called.DeclaringType?.Namespace == typeof(GpuKernels).Namespace);

    /// <summary>File and line of every barrier that a kernel's threads can wait at.</summary>
    public static IEnumerable<(string File, int Line)> BarriersOf(Type kernel)
    {
        foreach (var (method, code) in Of(kernel))
        {
            if (code.Operand is not MethodBase called || called.DeclaringType != typeof(Group) || called.Name != nameof(Group.Barrier)) continue;
            // The compiler passes the caller's file and line as constants.
            var all = IlReader.Read(method);
            int at = all.FindIndex(instruction => instruction.Offset == code.Offset);
            yield return ((string)all[at - 2].Operand!, Convert.ToInt32(all[at - 1].Operand));
        }
    }

    /// <summary>Every instruction of a method and of those that it calls, as far as they are to be followed.</summary>
    private static IEnumerable<(MethodBase Method, IlInstruction Code)> Reached(MethodBase first, Func<MethodBase, bool> follows)
    {
        var seen = new HashSet<MethodBase>();
        var open = new Stack<MethodBase>([first]);
        while (open.TryPop(out var method))
        {
            if (method.GetMethodBody() is null || !seen.Add(method)) continue;
            Type? constraint = null;
            foreach (var instruction in IlReader.Read(method))
            {
                yield return (method, instruction);
                if (instruction.IsCall && Barriers.Target(instruction, constraint) is var called && follows(called)) open.Push(called);
                constraint = instruction.Op == OpCodes.Constrained ? (Type)instruction.Operand! : null;
            }
        }
    }
}
