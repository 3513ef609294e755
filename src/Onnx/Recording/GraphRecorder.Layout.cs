using NativeDiffusion.Kernels;
using NativeDiffusion.Onnx.Graphs;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Onnx.Recording;

// Orders of axes: what lies how, and what has to be moved.
internal sealed partial class GraphRecorder
{
    /// <summary>Channels last: images, then what is around them, then channels.</summary>
    private static int[] ChannelsLast(int rank) => [0, .. Enumerable.Range(2, rank - 2), 1];

    /// <summary>The value as a tensor whose elements lie in an order; nothing is moved where only extents of 1 change places.</summary>
    private Value Laid(Value value, int[] order)
    {
        if (value.Constant is { } constant)
        {
            string key = order.SequenceEqual(Ascending(order.Length)) ? value.Name : $"{value.Name}:{string.Concat(order)}";
            var shape = new Shape(checked((int)Math.Max(1, value.Count)));
            if (value.Count == 0) throw new ArgumentException($"{value} has no elements");
            return Value.Of(value.Name, _weights.Weight(_b, key, shape, () => Moved(constant.Reals(), constant.Dims, order)), value.Dims, order, hasImages: false);
        }
        int[] now = [.. value.Order.Where(axis => value.Dims[axis] != 1)], then = [.. order.Where(axis => value.Dims[axis] != 1)];
        var tensor = value.Tensor!;
        for (int at = 0; at < then.Length; at++)
        {
            int from = Array.IndexOf(now, then[at]);
            if (from == at) continue;
            int run = 1;
            while (at + run < then.Length && from + run < now.Length && now[from + run] == then[at + run]) run++;
            tensor = _b.SwapAxes(_b.Reshape(tensor, new Shape(Size(now[..at]), Size(now[at..from]), Size(now[from..(from + run)]), Size(now[(from + run)..]))));
            now = [.. now[..at], .. now[from..(from + run)], .. now[at..from], .. now[(from + run)..]];
        }
        return Value.Of(value.Name, tensor, value.Dims, order, value.HasImages);

        int Size(int[] axes) => axes.Aggregate(1, (product, axis) => checked(product * value.Dims[axis]));
    }

    /// <summary>The elements of a value in an order, under a shape.</summary>
    private Tensor Shaped(Value value, int[] order, params ReadOnlySpan<int> extents) => _b.Reshape(Laid(value, order).Tensor!, Shape.Of(extents));

    /// <summary>Images [N,H,W,C] of a value [N,C,H,W].</summary>
    private Tensor Images(Value value) => Shaped(value, ChannelsLast(4), value.Dims[0], value.Dims[2], value.Dims[3], value.Dims[1]);

    /// <summary>A result [N,C,H,W] of images [N,H,W,C].</summary>
    private static Value FromImages(OnnxNode node, Tensor images, bool hasImages) =>
        Result(node, images, [images.Shape[0], images.Shape[3], images.Shape[1], images.Shape[2]], ChannelsLast(4), hasImages);

    /// <summary>An axis made another one by a table, in whatever order the value lies.</summary>
    private Value Along(OnnxNode node, Value value, int axis, ResampleTable table)
    {
        KeepImagesApart(node, value, axis);
        if (value.Constant is not null) value = Laid(value, Ascending(value.Rank));
        int place = Array.IndexOf(value.Order, axis);
        int[] laid = value.Laid(), dims = [.. value.Dims];
        dims[axis] = table.Outputs;
        var x = _b.Reshape(value.Tensor!, new Shape(Product(laid[..place]), laid[place], Product(laid[(place + 1)..])));
        return Result(node, _b.Resample(x, 1, table), dims, value.Order, value.HasImages);
    }

    /// <summary>Neighbouring elements of an axis.</summary>
    private Value Part(OnnxNode node, Value value, int axis, int start, int count)
    {
        if (start == 0 && count == value.Dims[axis]) return value;
        KeepImagesApart(node, value, axis);
        if (value.Constant is not null) value = Laid(value, Ascending(value.Rank));
        int place = Array.IndexOf(value.Order, axis);
        int[] laid = value.Laid(), dims = [.. value.Dims];
        dims[axis] = count;
        int inner = Product(laid[(place + 1)..]);
        var x = _b.Reshape(value.Tensor!, new Shape(Product(laid[..place]), checked(laid[place] * inner)));
        return Result(node, _b.Slice(x, start * inner, count * inner), dims, value.Order, value.HasImages);
    }

    /// <summary>Elements of an axis by their numbers.</summary>
    private Value Picked(OnnxNode node, Value value, int axis, int[] indices)
    {
        if (indices.Length > 0 && indices.Select((index, i) => index == indices[0] + i).All(same => same)) return Part(node, value, axis, indices[0], indices.Length);
        int count = value.Dims[axis];
        RequireTable(node, count, indices.Length);
        return Along(node, value, axis, ResampleTable.FromWeights(count, indices.Length, i =>
        {
            double[] row = new double[count];
            row[indices[i]] = 1;
            return row;
        }));
    }

    /// <summary>An axis of 1 repeated.</summary>
    private Value Repeated(OnnxNode node, Value value, int axis, int times) => times == 1 ? value : Along(node, value, axis, ResampleTable.FromWeights(1, times, _ => [1]));

    /// <summary>A value with as many axes, the new ones of 1 in front.</summary>
    private static Value WithRank(Value value, int rank)
    {
        int more = rank - value.Rank;
        if (more == 0) return value;
        int[] dims = [.. Enumerable.Repeat(1, more), .. value.Dims];
        return value.Constant is { } constant
            ? Value.Of(value.Name, constant.WithDims(dims))
            : Value.Of(value.Name, value.Tensor!, dims, [.. Enumerable.Range(0, more), .. value.Order.Select(axis => axis + more)], value.HasImages && more == 0);
    }

    private static void RequireTable(OnnxNode node, int inputs, int outputs)
    {
        if ((long)inputs * outputs > 1 << 26) throw node.Error($"taking {outputs} of {inputs} elements along an axis is more than is recorded");
    }

    private static float[] Moved(float[] elements, int[] dims, int[] order)
    {
        if (order.SequenceEqual(Ascending(order.Length)) || elements.Length < 2) return elements;
        int[] strides = new int[dims.Length];
        for (int axis = dims.Length - 1, size = 1; axis >= 0; size *= dims[axis--]) strides[axis] = size;
        float[] moved = new float[elements.Length];
        int[] index = new int[order.Length];
        for (int to = 0, from = 0; to < moved.Length; to++)
        {
            moved[to] = elements[from];
            for (int place = order.Length - 1; place >= 0; place--)
            {
                int axis = order[place];
                from += strides[axis];
                if (++index[place] < dims[axis]) break;
                from -= dims[axis] * strides[axis];
                index[place] = 0;
            }
        }
        return moved;
    }

    private static int Product(ReadOnlySpan<int> extents)
    {
        int product = 1;
        foreach (int extent in extents) product = checked(product * extent);
        return product;
    }
}
