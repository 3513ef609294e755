using System.Text.RegularExpressions;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Published;

/// <summary>
/// Files under diffusers' names as the networks here name their tensors: the diffusion transformer under those of its authors, and older names of attention under the newer ones.
/// </summary>
internal static partial class DiffusersKeys
{
    private const string Times = "transformer_blocks.0.norm1.emb.timestep_embedder.linear_1.weight", Patches = "pos_embed.proj.weight", Positions = "pos_embed.pos_embed";
    private const int MostTokens = 1 << 18, UsualSize = 32, PixelsPerLatent = 8;

    private static readonly (string Theirs, string Ours)[] Outside =
    [
        ("pos_embed.proj.", "x_embedder.proj."), ("pos_embed.pos_embed", "pos_embed"), ("proj_out_1.", "final_layer.adaLN_modulation.1."), ("proj_out_2.", "final_layer.linear."),
        ("transformer_blocks.0.norm1.emb.timestep_embedder.linear_1.", "t_embedder.mlp.0."), ("transformer_blocks.0.norm1.emb.timestep_embedder.linear_2.", "t_embedder.mlp.2."),
        ("transformer_blocks.0.norm1.emb.class_embedder.embedding_table.", "y_embedder.embedding_table."),
    ];

    private static readonly (string Theirs, string Ours)[] Inside =
    [
        ("norm1.linear.", "adaLN_modulation.1."), ("attn1.to_out.0.", "attn.proj."), ("ff.net.0.proj.", "mlp.fc1."), ("ff.net.2.", "mlp.fc2."),
    ];

    /// <summary>The file as the networks here name its tensors; itself where they do already, or it holds something else.</summary>
    /// <param name="file">The file; only its header is read.</param>
    /// <param name="user">What its user says.</param>
    /// <exception cref="CheckpointException">Its tensors do not fit each other.</exception>
    public static CheckpointFile View(CheckpointFile file, PublishedSettings? user)
    {
        if (file.Tensors.FirstOrDefault(t => t.Name.EndsWith(Times, StringComparison.Ordinal)) is { } times) return Transformer(file, times.Name[..^Times.Length], user);
        var old = file.Tensors.Where(t => OldAttention().IsMatch(t.Name)).ToDictionary(t => t.Name, t => OldAttention().Match(t.Name).Groups[1].Value, StringComparer.Ordinal);
        return old.Values.Distinct().All(prefix => file.Contains(prefix + "time_embedding.linear_1.weight")) && old.Count > 0
            ? new ComposedCheckpoint(file, [.. file.Tensors.Select(t => old.ContainsKey(t.Name) ? t.Renamed(Newer(t.Name)) : t)])
            : file;
    }

    /// <summary>Height and width of the latents, where nothing but a guess says them.</summary>
    public static bool GuessesSize(CheckpointFile view) =>
        view is ComposedCheckpoint { Source: var file } && !file.Tensors.Any(t => t.Name.EndsWith(Positions, StringComparison.Ordinal)) && DiffusersFolder.Beside(file)?.Model?.Says("sample_size") != true;

    private static string Newer(string name)
    {
        string[] parts = name.Split('.');
        parts[^2] = parts[^2] switch { "query" => "to_q", "key" => "to_k", "value" => "to_v", _ => "to_out.0" };
        return string.Join('.', parts);
    }

    private static ComposedCheckpoint Transformer(CheckpointFile file, string prefix, PublishedSettings? user)
    {
        List<TensorInfo> tensors = [];
        var repeated = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var tensor in file.Tensors)
        {
            if (!tensor.Name.StartsWith(prefix, StringComparison.Ordinal) || BlockKey().Match(tensor.Name[prefix.Length..]) is not { Success: true } match)
            {
                tensors.Add(tensor.Renamed(Translate(tensor.Name, prefix, prefix, Outside)));
                continue;
            }
            string key = match.Groups[2].Value, block = $"{prefix}transformer_blocks.{match.Groups[1].Value}.", to = $"{prefix}blocks.{match.Groups[1].Value}.";
            if (key.StartsWith("norm1.emb.", StringComparison.Ordinal))
            {
                if (!repeated.TryGetValue(key, out var names)) repeated.Add(key, names = []);
                names.Add(tensor.Name);
                if (match.Groups[1].Value == "0") tensors.Add(tensor.Renamed(Translate(tensor.Name, prefix, prefix, Outside)));
            }
            else if (QkvKey().Match(key) is { Success: true } qkv)
            {
                string kind = qkv.Groups[2].Value;
                string[] three = [.. "qkv".Select(letter => $"{block}attn1.to_{letter}.{kind}")];
                if (!three.All(file.Contains)) tensors.Add(tensor);
                else if (qkv.Groups[1].Value == "q") tensors.Add(ComposedCheckpoint.Join($"{to}attn.qkv.{kind}", file, [.. three.Select(file.Find)]));
            }
            else
            {
                tensors.Add(tensor.Renamed(Translate(tensor.Name, block, to, Inside)));
            }
        }
        if (!file.Contains(prefix + Positions) && file.Contains(prefix + Patches)) tensors.Add(Places(file, prefix, user));
        // Of hostile files, translated names may be there already.
        if (tensors.GroupBy(t => t.Name, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new CheckpointException($"{file.Name}: has {CheckpointException.Quote(twice.Key)} under that name and under diffusers' as well.");
        return new ComposedCheckpoint(file, tensors) { EqualTensors = [.. repeated.Values] };
    }

    private static string Translate(string name, string from, string to, (string Theirs, string Ours)[] names)
    {
        foreach (var (theirs, ours) in names)
            if (name.StartsWith(from + theirs, StringComparison.Ordinal)) return to + ours + name[(from.Length + theirs.Length)..];
        return name;
    }

    // Newer files do not have them, since they follow from the size.
    private static TensorInfo Places(CheckpointFile file, string prefix, PublishedSettings? user)
    {
        long[] patch = file.Find(prefix + Patches).Shape;
        if (patch.Length != 4 || patch[0] is < 4 or > 16384 || patch[2] is < 1 or > 64) throw new CheckpointException($"{file.Name}: {file.Find(prefix + Patches)} is no layer that makes tokens of patches.");
        var config = DiffusersFolder.Beside(file)?.Model;
        int size = config?.Size("sample_size") ?? user?.ImageSize / PixelsPerLatent ?? UsualSize, grid = size / (int)patch[2], width = (int)patch[0];
        if (size % patch[2] != 0 || grid < 1 || (long)grid * grid > MostTokens)
            throw new CheckpointException($"{config?.Path ?? file.Name}: latents of {size} x {size} cannot be cut into patches of {patch[2]} x {patch[2]}, of which there may be {MostTokens}.");
        return ComposedCheckpoint.Compute(prefix + "pos_embed", [1, grid * grid, width], () =>
            [.. Enumerable.Range(0, grid * grid * width).Select(i => (float)Dit.Position(grid, width, i / width, i % width))]);
    }

    [GeneratedRegex(@"^(.*?)(?:down_blocks\.\d+|up_blocks\.\d+|mid_block)\.attentions\.\d+\.(?:query|key|value|proj_attn)\.(?:weight|bias)$")]
    private static partial Regex OldAttention();

    [GeneratedRegex(@"^transformer_blocks\.(\d+)\.(.+)$")]
    private static partial Regex BlockKey();

    [GeneratedRegex(@"^attn1\.to_([qkv])\.(weight|bias)$")]
    private static partial Regex QkvKey();
}
