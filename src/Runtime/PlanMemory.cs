using System.Globalization;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>What a plan needs of its device's memory, to say it where there is too little.</summary>
/// <param name="tensors">The planned tensors.</param>
/// <param name="parameters">Weights of the plan, or null.</param>
/// <param name="peakBytes"><see cref="Plan.PeakBytes"/>.</param>
/// <param name="images">Images that a run computes; 0 if that is not known.</param>
internal sealed class PlanMemory(Tensor[] tensors, Parameters? parameters, long peakBytes, int images)
{
    /// <summary>The exception for a device that had no room for a block, with what the plan needs and what batch would fit.</summary>
    /// <param name="e">What the device said.</param>
    /// <param name="workspaceBytes">What a kernel asked for beside the plan, in its run; 0 if it was the plan itself that did not fit.</param>
    public DeviceMemoryException Explain(DeviceMemoryException e, long workspaceBytes)
    {
        // In a run the plan has its memory already: a smaller one would free it.
        long room = workspaceBytes == 0 ? e.FreeBytes : e.FreeBytes + peakBytes;
        string plan = images == 0 ? "the plan" : $"a plan of {images} {(images == 1 ? "image" : "images")}";
        string workspace = workspaceBytes == 0 ? "" : $" and {Size(workspaceBytes)} for its kernels";
        string weights = parameters is null ? "" : $", beside {Size(parameters.Bytes)} of weights and what belongs to them";
        return new DeviceMemoryException(
            $"{e.DeviceName} has too little memory: {plan} needs {Size(peakBytes)}{workspace}{weights}; the device has {Size(e.TotalBytes)}, {Size(room)} free. {Remedy(room, workspaceBytes)}",
            e.DeviceName, e.RequestedBytes, e.FreeBytes, e.TotalBytes, e);
    }

    private static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB");

    private string Remedy(long room, long workspaceBytes)
    {
        const string instead = "use a smaller network, or a device with more memory.";
        if (images == 0) return "Use a smaller batch; or " + instead;
        int fits = 0, tooMany = images;
        while (tooMany - fits > 1)
        {
            int middle = fits + (tooMany - fits) / 2;
            if (BytesFor(middle) + workspaceBytes * middle / images <= room) fits = middle;
            else tooMany = middle;
        }
        return fits == 0 ? "Not even one image fits: " + instead : $"A batch of {fits} fits; or {instead}";
    }

    /// <summary>The peak for another batch, with as many rows for each image. Tensors of one dimension are weights in a kernel's layout: they do not grow.</summary>
    private long BytesFor(int batch)
    {
        MemoryPlanner.Lifetime[] lifetimes = [.. tensors.Select(t => new MemoryPlanner.Lifetime(
            t.FirstStep, t.LastStep, t.Shape.Rank > 1 ? (t.Count * batch + images - 1) / images : t.Count))];
        return MemoryPlanner.Plan(lifetimes, new long[lifetimes.Length]) * sizeof(float);
    }
}
