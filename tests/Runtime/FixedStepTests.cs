using System.Reflection;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NativeDiffusion.Tests.Cases;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>A step that may be captured on a device reads nothing of the host that changes from run to run.</summary>
[TestFixture]
public sealed class FixedStepTests
{
    [Test]
    public void No_step_that_reads_a_slot_is_fixed()
    {
        using var kernels = new CpuKernels(1);
        int varying = 0;
        // The same op of another shape is recorded by the same lines.
        foreach (var testCase in CaseData.All.GroupBy(c => c.Name.Split(' ')[0]).SelectMany(op => op.Take(2)))
        {
            var (data, cotangent) = CaseData.Fill(testCase);
            using var prepared = new PreparedCase(testCase, kernels, data, cotangent);
            foreach (var step in prepared.Plan.Steps)
            {
                if (!ReachesSlot(step.Run.Target, [])) continue;
                Assert.That(step.IsFixed, Is.False, $"{testCase.Name}: {step.Kernel} reads a slot; record it by RecordVarying.");
                varying++;
            }
        }
        Assert.That(varying, Is.GreaterThan(5), "slots are found");
    }

    [Test]
    public void What_others_record_is_not_fixed()
    {
        using var kernels = new CpuKernels(1);
        var b = new PlanBuilder(kernels);
        var x = b.Input("x", new Shape(4));
        b.Record("Mine", [x], [x], _ => { });
        b.Output("y", b.Silu(x));
        using var plan = b.Build();
        Assert.That(plan.Steps.Select(s => s.IsFixed), Is.EqualTo(new[] { false, true }));
    }

    /// <summary>Whether the fields of a closure, and those of the closures around it, hold a slot.</summary>
    private static bool ReachesSlot(object? target, HashSet<object> seen)
    {
        if (target is null || !seen.Add(target)) return false;
        var fields = target.GetType().GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic);
        return fields.Any(f => f.FieldType.IsGenericType && f.FieldType.GetGenericTypeDefinition() == typeof(Slot<>))
            || fields.Any(f => f.FieldType.Name.Contains("DisplayClass", StringComparison.Ordinal) && ReachesSlot(f.GetValue(target), seen));
    }
}
