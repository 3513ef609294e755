using Google.Protobuf;
using NativeDiffusion.Onnx.Format;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Onnx.Graphs;

/// <summary>A graph that was read and checked: nodes in an order in which every value exists before it is used.</summary>
internal sealed class OnnxGraph
{
    private const int MostNodes = 200_000, OldestOpset = 6;

    private readonly Dictionary<string, OnnxNode> _makers = [];
    private readonly Dictionary<string, int> _uses = [];
    private readonly Dictionary<string, List<OnnxNode>> _users = [];

    private OnnxGraph(string path, ModelProto model)
    {
        File = path;
        var graph = model.Graph ?? throw new CheckpointException($"{path}: is no ONNX file: it has no graph.");
        (Producer, IrVersion) = ($"{model.ProducerName} {model.ProducerVersion}".Trim(), model.IrVersion);
        Opsets = model.OpsetImport.GroupBy(o => o.Domain).ToDictionary(g => g.Key, g => g.Max(o => o.Version));
        if (Opsets.Remove("ai.onnx", out long named)) Opsets.TryAdd("", named);
        Metadata = model.Metadata.GroupBy(m => m.Key).ToDictionary(g => g.Key, g => g.Last().Value);
        Opset = Opsets.GetValueOrDefault("", 0);
        if (Opset < OldestOpset) throw new CheckpointException($"{path}: its operators are of opset {Opset}, and {OldestOpset} is the oldest that is read; convert it with onnx.version_converter.");
        if (graph.SparseInitializers > 0) throw new CheckpointException($"{path}: has sparse weights, which are not read; export it with dense ones.");
        if (graph.Nodes.Count > MostNodes) throw new CheckpointException($"{path}: has {graph.Nodes.Count} nodes, and {MostNodes} are the most that are read.");
        var tensors = new TensorReader(path);
        foreach (var tensor in graph.Initializers)
            if (!Constants.TryAdd(tensor.Name, tensors.Read(tensor))) throw new CheckpointException($"{path}: two weights are called {CheckpointException.Quote(tensor.Name)}.");
        Inputs = [.. graph.Inputs.Where(i => !Constants.ContainsKey(i.Name)).Select(i => OnnxValueInfo.Of(path, i))];
        Outputs = [.. graph.Outputs.Select(o => OnnxValueInfo.Of(path, o))];
        if (Outputs.Length == 0) throw new CheckpointException($"{path}: its graph has no output.");
        Nodes = Sorted([.. graph.Nodes.Select(n => new OnnxNode(n, Opsets.GetValueOrDefault(n.Domain is "ai.onnx" ? "" : n.Domain, 0), tensors, path))]);
        foreach (var node in Nodes)
            foreach (string input in node.Inputs.Where(i => i.Length > 0))
            {
                _uses[input] = _uses.GetValueOrDefault(input) + 1;
                if (!_users.TryGetValue(input, out var users)) _users[input] = users = [];
                users.Add(node);
            }
    }

    public string File { get; }

    public string Producer { get; }

    public long IrVersion { get; }

    /// <summary>Version of ONNX's own operators.</summary>
    public long Opset { get; }

    public Dictionary<string, long> Opsets { get; }

    public Dictionary<string, string> Metadata { get; }

    public Dictionary<string, Constant> Constants { get; } = [];

    public OnnxValueInfo[] Inputs { get; }

    public OnnxValueInfo[] Outputs { get; }

    public IReadOnlyList<OnnxNode> Nodes { get; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="CheckpointException">It cannot be read, is damaged, or no graph that could run.</exception>
    public static OnnxGraph Load(string path)
    {
        try
        {
            var model = new ModelProto();
            var input = new CodedInputStream(System.IO.File.ReadAllBytes(path));
            // What is read is checked below; what stands behind a message belongs to it.
            input.ReadRawMessage(model);
            return new OnnxGraph(path, model);
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or OverflowException)
        {
            throw new CheckpointException($"{path}: is no ONNX file, or damaged: {e.Message.TrimEnd('.')}.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message.TrimEnd('.')}.", e);
        }
    }

    /// <summary>The only node that reads a value; null if there are several, or none.</summary>
    public OnnxNode? OnlyUser(string value) => _uses.GetValueOrDefault(value) == 1 ? _users[value][0] : null;

    /// <summary>The node that makes a value; null for inputs and weights.</summary>
    public OnnxNode? Maker(string value) => _makers.GetValueOrDefault(value);

    /// <summary>The nodes that some values need, in order.</summary>
    public IReadOnlyList<OnnxNode> NodesFor(IEnumerable<string> values)
    {
        var needed = new HashSet<OnnxNode>();
        var open = new Stack<string>(values);
        while (open.TryPop(out string? value))
            if (_makers.TryGetValue(value, out var node) && needed.Add(node))
                foreach (string input in node.Inputs) open.Push(input);
        return [.. Nodes.Where(needed.Contains)];
    }

    private List<OnnxNode> Sorted(OnnxNode[] nodes)
    {
        var known = new HashSet<string>(Constants.Keys.Concat(Inputs.Select(i => i.Name)));
        foreach (var node in nodes)
            foreach (string output in node.Outputs.Where(o => o.Length > 0))
                if (known.Contains(output) || !_makers.TryAdd(output, node)) throw node.Error($"its result {CheckpointException.Quote(output)} exists already");
        var waiting = new Dictionary<OnnxNode, int>();
        var users = new Dictionary<string, List<OnnxNode>>();
        var ready = new Queue<OnnxNode>();
        foreach (var node in nodes)
        {
            string[] missing = [.. node.Inputs.Where(i => i.Length > 0 && !known.Contains(i)).Distinct()];
            foreach (string input in missing)
            {
                if (!_makers.ContainsKey(input)) throw node.Error($"its input {CheckpointException.Quote(input)} is neither made by a node nor an input or weight of the graph; the file is not complete");
                if (!users.TryGetValue(input, out var list)) users[input] = list = [];
                list.Add(node);
            }
            waiting[node] = missing.Length;
            if (missing.Length == 0) ready.Enqueue(node);
        }
        var sorted = new List<OnnxNode>(nodes.Length);
        while (ready.TryDequeue(out var node))
        {
            sorted.Add(node);
            foreach (string output in node.Outputs)
                foreach (var user in users.GetValueOrDefault(output, []))
                    if (--waiting[user] == 0) ready.Enqueue(user);
        }
        if (sorted.Count < nodes.Length) throw nodes.First(n => waiting[n] > 0).Error("its inputs depend on its own result, in a circle");
        foreach (var output in Outputs)
            if (!known.Contains(output.Name) && !_makers.ContainsKey(output.Name)) throw new CheckpointException($"{File}: no node makes the output {CheckpointException.Quote(output.Name)}.");
        return sorted;
    }
}

/// <summary>An input or output: its name and extents, of which some may be free.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Dims">Extents; null for free ones, and as a whole where nothing is said.</param>
/// <param name="Type">The type of its elements.</param>
internal sealed record OnnxValueInfo(string Name, int?[]? Dims, OnnxType Type)
{
    public static OnnxValueInfo Of(string path, ValueInfoProto info)
    {
        var dims = info.Type?.Tensor?.Shape?.Dimensions;
        if (dims?.Any(d => d.Value is > int.MaxValue) == true)
            throw new CheckpointException($"{path}: {CheckpointException.Quote(info.Name)} has extents [{string.Join(", ", dims.Select(d => d.Value))}], which no memory holds.");
        return new(info.Name, dims is null ? null : [.. dims.Select(d => d.Value is > 0 ? (int?)d.Value : null)], info.Type?.Tensor?.Element ?? OnnxType.Undefined);
    }

    public override string ToString() => $"{CheckpointException.Quote(Name)} {(Dims is null ? "of unknown shape" : $"[{string.Join(", ", Dims.Select(d => d?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "?"))}]")}";
}
