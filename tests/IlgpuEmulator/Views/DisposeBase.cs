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
    public abstract class AcceleratorObject : Util.DisposeBase
    {
        private readonly Accelerator _accelerator;

        protected AcceleratorObject(Accelerator accelerator)
        {
            _accelerator = accelerator;
            accelerator.Own(this);
        }

        protected sealed override void Dispose(bool disposing)
        {
            DisposeAcceleratorObject(disposing);
            _accelerator.Disown(this);
        }

        protected abstract void DisposeAcceleratorObject(bool disposing);
    }
}
