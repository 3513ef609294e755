namespace ILGPU.Util
{
    public abstract class DisposeBase : IDisposable
    {
        public bool IsDisposed { get; private set; }

        public void Dispose()
        {
            if (IsDisposed)
                return;
            Dispose(true);
            IsDisposed = true;
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
        }
    }
}

namespace ILGPU.Runtime
{
    public interface IAcceleratorObject : IDisposable
    {
        Accelerator Accelerator { get; }

        AcceleratorType AcceleratorType { get; }
    }

    public abstract class AcceleratorObject : Util.DisposeBase, IAcceleratorObject
    {
        protected AcceleratorObject(Accelerator accelerator)
        {
            Accelerator = accelerator;
            accelerator.Own(this);
        }

        public Accelerator Accelerator { get; }

        public AcceleratorType AcceleratorType => Accelerator.AcceleratorType;

        protected sealed override void Dispose(bool disposing)
        {
            DisposeAcceleratorObject(disposing);
            Accelerator.Disown(this);
        }

        protected abstract void DisposeAcceleratorObject(bool disposing);
    }
}
