using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>
/// Records a network once as a list of kernel calls. Each op (one file under Ops/) checks its shapes, appends its forward step and says how
/// its gradient is recorded; <see cref="Build(Arena?)"/> plans the memory and returns a <see cref="Plan"/> that runs without allocating.
/// </summary>
/// <example><code>
/// using var kernels = new CpuKernels();
/// var builder = new PlanBuilder(kernels);
/// var x = builder.Input("x", new Shape(4, 8));
/// var y = builder.Output("y", builder.Silu(x));
/// using var plan = builder.Build();
/// kernels.Upload(values, x.View);
/// plan.Run();
/// </code></example>
public sealed partial class PlanBuilder
{
    private readonly List<Step> _steps = [];
    private readonly List<Tensor> _tensors = [];
    private readonly HashSet<Tensor> _written = [];
    private readonly Dictionary<string, Tensor> _inputs = [], _outputs = [];
    private readonly Dictionary<Parameter, Tensor> _parameterTensors = [];
    private readonly Dictionary<(Tensor, string), Tensor> _packTensors = [];
    private readonly List<BackwardEntry> _backward = [];
    private bool _built;

    /// <summary>Starts a plan for the device of <paramref name="kernels"/>; <paramref name="parameters"/> may be left out for plans without weights.</summary>
    public PlanBuilder(IKernels kernels, Parameters? parameters = null) => (Kernels, Parameters) = (kernels, parameters);

    /// <summary>The device that the plan will run on.</summary>
    public IKernels Kernels { get; }

    /// <summary>The weights that the plan shares with others, or null. <see cref="With"/> changes them for a while.</summary>
    public Parameters? Parameters { get; private set; }

    /// <summary>Whether dropout is active: true in plans that train.</summary>
    public bool Training { get; init; }

    /// <summary>Images that a run computes, so that an error about memory can say how many would fit; 0 where it is nothing of the kind.</summary>
    public int Images { get; init; }

    /// <summary>Prefix for the names of the tensors recorded from here on, for descriptions.</summary>
    public string Scope { get; set; } = "";

    internal IReadOnlyList<Step> Steps => _steps;

    /// <summary>A tensor that the caller fills before a run. Its memory belongs to the plan and is not touched by other tensors of it.</summary>
    public Tensor Input(string name, Shape shape)
    {
        var tensor = NewTensor(shape, name, TensorKind.Persistent);
        if (!_inputs.TryAdd(name, tensor)) throw new ArgumentException($"Input '{name}' is declared twice.", nameof(name));
        return tensor;
    }

    /// <summary>A tensor in memory that the caller owns, and which outlives the plan: the state of a sampler, for example.</summary>
    /// <exception cref="ArgumentException">The view is that of a tensor that was left out.</exception>
    public Tensor Bind(string name, TensorView view)
    {
        if (view.IsEmpty) throw new ArgumentException($"'{name}' is bound to a view without memory.", nameof(view));
        var tensor = NewTensor(view.Shape, name, TensorKind.Bound);
        tensor.View = view;
        return tensor;
    }

    /// <summary>
    /// Records with other weights: a second network in the same plan, such as a classifier behind a decoder. Their values are read; gradients of
    /// parameters are those of the builder's own.
    /// </summary>
    /// <param name="parameters">Weights on the same device.</param>
    /// <param name="record">Records what uses them.</param>
    /// <exception cref="ArgumentException">The weights lie on another device.</exception>
    public T With<T>(Parameters parameters, Func<T> record)
    {
        if (parameters.Kernels != Kernels)
            throw new ArgumentException($"A plan runs on one device, {Kernels.DeviceName}, and these weights lie on {parameters.Kernels.DeviceName}; load them with the same kernels.");
        var own = Parameters;
        Parameters = parameters;
        try
        {
            return record();
        }
        finally
        {
            Parameters = own;
        }
    }

    /// <summary>The tensor of a parameter; the same one each time.</summary>
    /// <exception cref="InvalidOperationException">The builder has no parameters.</exception>
    public Tensor Parameter(string name)
    {
        var owner = Parameters ?? throw new InvalidOperationException($"Parameter '{name}' was asked of a builder without parameters.");
        var parameter = owner[name];
        if (_parameterTensors.TryGetValue(parameter, out var tensor)) return tensor;
        tensor = new Tensor(parameter.Shape, name, TensorKind.Bound) { Builder = this, Parameter = parameter, Owner = owner, View = owner.ValueOf(parameter) };
        _tensors.Add(tensor);
        return _parameterTensors[parameter] = tensor;
    }

    /// <summary>Keeps a tensor's elements until the end of the plan, readable under a name.</summary>
    /// <exception cref="ArgumentException">The name is taken, or the tensor is that of another builder.</exception>
    public Tensor Output(string name, Tensor tensor)
    {
        RequireOwn(nameof(Output), tensor);
        Materialize(tensor);
        if (!_outputs.TryAdd(name, tensor)) throw new ArgumentException($"Output '{name}' is declared twice.", nameof(name));
        return tensor;
    }

    /// <summary>A new planned tensor, for the result of an op.</summary>
    public Tensor Temporary(Shape shape, string name) => NewTensor(shape, name, TensorKind.Temporary);

    /// <summary>
    /// Appends a kernel call, or a call of one's own, which gets its operands by <see cref="IKernels.Download"/> and gives its result by
    /// <see cref="IKernels.Upload(ReadOnlySpan{float}, TensorView)"/>. <paramref name="run"/> may use the views of the tensors named, and nothing else of the plan.
    /// </summary>
    /// <param name="kernel">Name for descriptions: that of the <see cref="IKernels"/> method, with nameof.</param>
    /// <param name="reads">Tensors that it reads; nulls are left out.</param>
    /// <param name="writes">Tensors that it writes or updates; nulls are left out.</param>
    /// <param name="run">The call.</param>
    /// <param name="flops">Floating-point operations, as the textbook formula counts them.</param>
    /// <param name="algorithm">What the device selects for these shapes, for reports; null where there is nothing to select.</param>
    /// <exception cref="ArgumentException">A tensor is that of another builder.</exception>
    /// <exception cref="InvalidOperationException">The plan was built already, or a tensor is read that no step before has written.</exception>
    public void Record(
        string kernel, ReadOnlySpan<Tensor?> reads, ReadOnlySpan<Tensor?> writes, Action<IKernels> run, double flops = 0, string? algorithm = null) =>
        // What others call may read anything.
        Record(kernel, reads, writes, run, flops, algorithm, isFixed: run.Method.Module == typeof(PlanBuilder).Module);

    /// <summary>Appends a call that reads a <see cref="Slot{T}"/> or other numbers of the host, which change from run to run.</summary>
    internal void RecordVarying(string kernel, ReadOnlySpan<Tensor?> reads, ReadOnlySpan<Tensor?> writes, Action<IKernels> run, double flops = 0) =>
        Record(kernel, reads, writes, run, flops, null, isFixed: false);

    private void Record(
        string kernel, ReadOnlySpan<Tensor?> reads, ReadOnlySpan<Tensor?> writes, Action<IKernels> run, double flops, string? algorithm, bool isFixed)
    {
        if (_built) throw new InvalidOperationException($"'{kernel}' was recorded after the plan was built.");
        foreach (var tensor in reads)
        {
            if (tensor is null) continue;
            RequireOwn(kernel, tensor);
            Materialize(tensor);
            if (tensor.Kind == TensorKind.Temporary && !_written.Contains(tensor.Root))
                throw new InvalidOperationException($"{kernel} reads {tensor}, which no step before it has written.");
        }
        foreach (var tensor in writes)
        {
            if (tensor is null) continue;
            RequireOwn(kernel, tensor);
            _written.Add(tensor.Root);
        }
        var step = new Step(kernel, Present(reads), Present(writes), run, flops, algorithm, isFixed);
        foreach (var tensor in step.Reads.Concat(step.Writes).Select(t => t.Root))
        {
            tensor.FirstStep = Math.Min(tensor.FirstStep, _steps.Count);
            tensor.LastStep = Math.Max(tensor.LastStep, _steps.Count);
        }
        _steps.Add(step);
    }

    /// <summary>
    /// A weight in a kernel's own layout. For a parameter the result is kept beside it, shared by all plans, and redone only after the values
    /// changed. Where they change in every run, in a plan that trains, and for any other tensor it is made anew each time and lives until it
    /// is used: kept, the packed weights of a wide network would outweigh the rest.
    /// </summary>
    internal Tensor Packed(Tensor weight, string layout, long length, string kernel, Action<IKernels, TensorView, TensorView> pack)
    {
        if (weight.Parameter is not { } parameter || Training)
        {
            var temporary = Temporary(new Shape(checked((int)length)), weight.Name + "." + layout);
            Record(kernel, [weight], [temporary], k => pack(k, weight.View, temporary.View));
            return temporary;
        }
        if (_packTensors.TryGetValue((weight, layout), out var packed)) return packed;
        var owner = weight.Owner!;
        var kept = owner.Pack(parameter, layout, length);
        packed = new Tensor(kept.View.Shape, weight.Name + "." + layout, TensorKind.Bound) { Builder = this, View = kept.View, IsPacked = true };
        _tensors.Add(packed);
        RecordVarying(kernel, [weight], [packed], k =>
        {
            if (kept.Version == owner.Version) return;
            pack(k, weight.View, kept.View);
            kept.Version = owner.Version;
        });
        return _packTensors[(weight, layout)] = packed;
    }

    /// <summary>Plans the memory and ends the recording.</summary>
    /// <param name="arena">Memory to share with other plans; a plan of its own memory when left out.</param>
    /// <exception cref="DeviceMemoryException">The device has too little memory; the message says how much is needed, and what batch would fit.</exception>
    public Plan Build(Arena? arena = null) => Build(arena, guard: 0);

    internal Plan Build(Arena? arena, int guard)
    {
        if (_built) throw new InvalidOperationException($"The plan of {_steps.Count} steps was built already; a builder makes one plan.");
        _built = true;
        foreach (var (name, tensor) in _outputs)
            if (tensor.Kind == TensorKind.Temporary && tensor.Root.LastStep < 0)
                throw new InvalidOperationException($"Output '{name}' is {tensor}, which no step writes.");
        foreach (var tensor in _tensors.Where(t => t.Kind == TensorKind.Persistent).Concat(_outputs.Values.Select(t => t.Root)))
            (tensor.FirstStep, tensor.LastStep) = (tensor.Kind == TensorKind.Persistent ? -1 : tensor.FirstStep, int.MaxValue - 1);
        Tensor[] planned = [.. _tensors.Where(t => t.Kind != TensorKind.Bound && t.LastStep >= 0)];
        long[] offsets = new long[planned.Length];
        // With guards nothing is reused, so that a test can look between the tensors after the run.
        long peak = MemoryPlanner.Plan(
            [.. planned.Select(t => new MemoryPlanner.Lifetime(guard > 0 ? 0 : t.FirstStep, guard > 0 ? 0 : t.LastStep, t.Count))], offsets, guard);
        var memory = new PlanMemory(planned, Parameters, peak * sizeof(float), Images);
        bool owns = arena is null;
        arena ??= new Arena(Kernels);
        try
        {
            arena.Memory.EnsureLength(peak);
        }
        catch (DeviceMemoryException e)
        {
            throw memory.Explain(e, workspaceBytes: 0);
        }
        for (int i = 0; i < planned.Length; i++) planned[i].View = new TensorView(arena.Memory, offsets[i], planned[i].Shape);
        return new Plan(Kernels, [.. _steps], planned, _inputs, _outputs, arena, owns, peak * sizeof(float), memory, _sharedFlops);
    }

    /// <summary>Refuses a tensor of another plan, whose memory this one would neither keep nor wait for.</summary>
    private void RequireOwn(string kernel, Tensor tensor)
    {
        if (tensor.Root.Builder != this)
            throw new ArgumentException($"{kernel} was given {tensor}, which belongs to another plan; pass its values on by an input, or bind memory that both plans share.");
    }

    private Tensor NewTensor(Shape shape, string name, TensorKind kind)
    {
        var tensor = new Tensor(shape, Scope.Length == 0 || kind != TensorKind.Temporary ? name : Scope + "." + name, kind) { Builder = this };
        _tensors.Add(tensor);
        return tensor;
    }

    private static Tensor[] Present(ReadOnlySpan<Tensor?> tensors)
    {
        var present = new List<Tensor>(tensors.Length);
        foreach (var tensor in tensors)
            if (tensor is not null)
                present.Add(tensor);
        return [.. present];
    }
}
