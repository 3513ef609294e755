using System.Reflection;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

/// <summary>Views, memory and the device as C# code without <c>unsafe</c> can reach them.</summary>
public sealed class TensorViewTests
{
    private CpuKernels _kernels = null!;

    private static NUnit.Framework.Constraints.IResolveConstraint Says => Throws.TypeOf<ObjectDisposedException>().With.Property("ObjectName").EqualTo(nameof(CpuKernels));

    [SetUp]
    public void Start() => _kernels = new CpuKernels(1);

    [TearDown]
    public void End() => _kernels.Dispose();

    [TestCase(0, 17)]
    [TestCase(1, 16)]
    [TestCase(17, 1)]
    [TestCase(long.MaxValue, 1)]
    [TestCase(long.MaxValue - 3, 16)]
    [TestCase(-1, 4)]
    public void A_view_ends_where_its_memory_ends(long offset, int length)
    {
        using var memory = _kernels.Allocate(16);
        Assert.That(() => new TensorView(memory, offset, new Shape(length)), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new TensorView(memory, 0, new Shape(int.MaxValue, int.MaxValue, 1)), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => new TensorView(memory, 0, new Shape(int.MaxValue, int.MaxValue, int.MaxValue)), Throws.TypeOf<OverflowException>());
        Assert.That(new TensorView(memory, 15, new Shape()).Count, Is.EqualTo(1));
    }

    [Test]
    public void Rows_and_reshapes_stay_inside_a_view()
    {
        using var memory = _kernels.Allocate(24);
        var view = new TensorView(memory, 8, new Shape(4, 4));
        Assert.That(() => view.Rows(3, 2), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => view.Rows(int.MaxValue, 2), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => view.Rows(1, int.MaxValue), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => view.Rows(0, 0), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => view.Reshape(new Shape(17)), Throws.ArgumentException);
        Assert.That(view.Rows(3, 1).Offset, Is.EqualTo(20));
        Assert.That(() => default(TensorView).Rows(0, 1), Throws.InvalidOperationException);
        Assert.That(() => default(TensorView).Reshape(new Shape(1)), Throws.InvalidOperationException);
    }

    [Test]
    public void Copies_to_and_from_the_host_fit_or_fail()
    {
        using var memory = _kernels.Allocate(16);
        var view = new TensorView(memory, 8, new Shape(4));
        Assert.That(() => _kernels.Upload(new float[5], view), Throws.ArgumentException.With.Message.Contains("5"));
        Assert.That(() => _kernels.Upload(new int[5], view), Throws.ArgumentException);
        Assert.That(() => _kernels.Download(view, new float[3]), Throws.ArgumentException.With.Message.Contains("3"));
        Assert.That(() => _kernels.Upload(new float[1], default), Throws.InvalidOperationException);
        Assert.That(() => _kernels.Download(default, new float[1]), Throws.InvalidOperationException);
        Assert.That(() => _kernels.Allocate(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
        _kernels.Upload([1f, 2f], view);
        float[] values = new float[4];
        _kernels.Download(view, values);
        Assert.That(values, Is.EqualTo(new[] { 1f, 2, 0, 0 }));
    }

    [Test]
    public void Freed_memory_is_not_reached()
    {
        var memory = _kernels.Allocate(16);
        var view = new TensorView(memory, 0, new Shape(16));
        memory.Dispose();
        memory.Dispose();
        Assert.That(memory.Length, Is.Zero);
        Assert.That(() => _kernels.Upload(new float[16], view.Rows(0, 2)), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => _kernels.Download(view, new float[16]), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => memory.EnsureLength(32), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => new TensorView(memory, 0, new Shape(1)), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_disposed_device_says_so()
    {
        using var memory = _kernels.Allocate(1);
        var view = new TensorView(memory, 0, new Shape(1));
        _kernels.Dispose();
        Assert.That(() => _kernels.Allocate(1), Says);
        Assert.That(() => _kernels.Upload([1f], view), Says);
        Assert.That(() => _kernels.Upload([1], view), Says);
        Assert.That(() => _kernels.Download(view, new float[1]), Says);
        Assert.That(_kernels.Synchronize, Says);
        Assert.That(() => new Arena(_kernels), Says);
    }

    // Ops do not check their shapes, so nothing outside the library may call one. Whoever adds a public method that takes views has checked them.
    [Test]
    public void Only_what_checks_its_views_is_public()
    {
        string[] checkedMethods = ["CpuKernels.Upload", "CpuKernels.Download", "IKernels.Upload", "IKernels.Download", "PlanBuilder.Bind"];
        var found = from assembly in new[] { typeof(IKernels).Assembly, typeof(Plan).Assembly, typeof(NativeDiffusion.Model.DiffusionModel).Assembly }
                    from type in assembly.GetExportedTypes()
                    from method in type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
                    where !type.IsSubclassOf(typeof(Delegate)) && !method.Name.StartsWith("set_", StringComparison.Ordinal)
                    where method.GetParameters().Any(p => p.ParameterType == typeof(TensorView) || p.ParameterType.IsPointer)
                        || method.ReturnType.IsPointer || (type == typeof(TensorView) && method.ReturnType == typeof(Span<float>))
                    select $"{type.Name}.{method.Name}";
        Assert.That(found.Distinct(), Is.EquivalentTo(checkedMethods));
        Assert.That(typeof(IKernels).GetMethods().Select(m => m.Name).Distinct(),
            Is.EquivalentTo(new[] { "get_DeviceName", "Allocate", "Upload", "Download", "Synchronize" }));
    }
}
