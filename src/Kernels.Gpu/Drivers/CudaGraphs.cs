using System.Runtime.InteropServices;
using ILGPU.Runtime.Cuda;

namespace NativeDiffusion.Kernels;

/// <summary>
/// CUDA graphs by the driver's own functions (CUDA Driver API, "Stream Management" and "Graph Management"), which ILGPU does not have.
/// </summary>
internal sealed unsafe class CudaGraphs
{
    // Only this thread's work is captured, and other threads may do as they like meanwhile.
    private const int Relaxed = 2;

    private readonly Dictionary<string, nint> _functions = [];
    private nint _driver;

    /// <summary>Captures what a call starts on a stream.</summary>
    /// <exception cref="CaptureRefusedException">The driver refuses.</exception>
    public ILaunchGraph Capture(nint stream, Action launches)
    {
        Require(((delegate* unmanaged<nint, int, int>)Function("cuStreamBeginCapture_v2"))(stream, Relaxed), "begin");
        nint graph = 0, executable = 0;
        try
        {
            launches();
        }
        catch (Exception e)
        {
            // The stream must leave its capture, whatever happened.
            _ = End(stream, &graph);
            if (graph != 0) Destroy("cuGraphDestroy", graph);
            if (e is DeviceException) throw new CaptureRefusedException($"a launch failed in it: {e.Message}", e);
            throw;
        }
        int error = End(stream, &graph);
        Require(error, "end");
        // Flags: none.
        error = ((delegate* unmanaged<nint*, nint, ulong, int>)Function("cuGraphInstantiateWithFlags"))(&executable, graph, 0);
        Destroy("cuGraphDestroy", graph);
        Require(error, "instantiate");
        return new Graph(this, executable, stream);
    }

    private int End(nint stream, nint* graph) => ((delegate* unmanaged<nint, nint*, int>)Function("cuStreamEndCapture"))(stream, graph);

    private void Destroy(string function, nint what) => _ = ((delegate* unmanaged<nint, int>)Function(function))(what);

    private nint Function(string name)
    {
        if (_functions.TryGetValue(name, out nint function)) return function;
        if (_driver == 0 && !DriverLibraries.TryLoad("cuda", out _driver)) throw new CaptureRefusedException("the driver's library is not found");
        return _functions[name] = NativeLibrary.TryGetExport(_driver, name, out function)
            ? function
            : throw new CaptureRefusedException($"the driver has no {name}; CUDA 11.4 and later do");
    }

    private void Require(int error, string step)
    {
        if (error != 0) throw new CaptureRefusedException($"CUDA error {error}, {Text(error)}, at its {step}");
    }

    private string Text(int error)
    {
        nint text = 0;
        _ = ((delegate* unmanaged<int, nint*, int>)Function("cuGetErrorString"))(error, &text);
        return Marshal.PtrToStringAnsi(text) ?? "without a description";
    }

    private sealed class Graph(CudaGraphs owner, nint executable, nint stream) : ILaunchGraph
    {
        private nint _executable = executable;

        public void Launch()
        {
            CudaException.ThrowIfFailed((CudaError)((delegate* unmanaged<nint, nint, int>)owner.Function("cuGraphLaunch"))(_executable, stream));
        }

        public void Dispose()
        {
            if (_executable != 0) owner.Destroy("cuGraphExecDestroy", _executable);
            _executable = 0;
        }
    }
}
