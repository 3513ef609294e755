// A stand-in for NVIDIA's driver that runs PTX on the CPU, so that ILGPU's CUDA backend can be tested as it is, from its PTX and argument
// buffers to the results.
//
//   g++ -O2 -std=c++17 -shared -fPIC -ffp-contract=off -o libcuda.so libcuda.cpp
//   LD_LIBRARY_PATH=. nativediffusion devices
//
// It reports on standard error, and fails the launch, for accesses outside of allocations or not aligned, reads of shared memory that
// nothing wrote, barriers and mma.sync that not all lanes reach together, and argument buffers of another size than the kernel's
// parameters. It is one device, used by one thread at a time. Settings in the environment:
//
//   PTX_CPU_SM=90             compute capability: 80, 90, 120 and so on
//   PTX_CPU_DRIVER=13000      the driver's CUDA, 1000 times its version and more
//   PTX_CPU_MEMORY_MB=4096    the device's memory
//   PTX_CPU_ORDER=reverse     runs the lanes of a group backwards
//   PTX_CPU_DUMP=FOLDER       keeps the PTX of every module
//   PTX_CPU_COUNT=1           says at the end how many kernels were started, and how many graphs
//   PTX_CPU_NO_GRAPHS=1       refuses to capture
#include "group.h"

namespace {
std::string lastError;
int sticky = 0;
int number(const char *name, int otherwise) {
    const char *s = getenv(name);
    return s ? atoi(s) : otherwise;
}
struct Module {
    Kernel kernel;
};
long launches = 0, graphLaunches = 0;

// A stream that is captured takes launches and nothing else: whatever would wait, copy or take memory meanwhile makes the capture void, also where a driver lets
// other threads do so.
struct Recorded {
    void *function;
    unsigned gx, gy, bx;
    std::vector<uint8_t> arguments;
};
typedef std::vector<Recorded> Graph;
struct Stream {
    bool capturing = false, invalid = false;
    Graph launches;
};
Stream *captured = nullptr;
const int unsupported = 900, invalidated = 901;
bool refusedInCapture() {
    if (captured) captured->invalid = true;
    return captured != nullptr;
}
int start(void *function, unsigned gx, unsigned gy, unsigned bx, const uint8_t *arguments) {
    try {
        static const bool reverse = getenv("PTX_CPU_ORDER") && !strcmp(getenv("PTX_CPU_ORDER"), "reverse");
        Group group(((Module *)function)->kernel, arguments, (int)bx, (int)gx);
        for (unsigned y = 0; y < gy; y++)
            for (unsigned x = 0; x < gx; x++) group.group((int)x, (int)y, reverse);
        return 0;
    } catch (Failure &failure) {
        lastError = failure.text;
        fprintf(stderr, "ptx-cpu: %s\n", failure.text.c_str());
        return sticky = 719;
    }
}
} // namespace

#define API extern "C" int __attribute__((visibility("default")))
typedef void *P;
typedef uint64_t D;
API cuInit(int) { return 0; }
API cuDriverGetVersion(int *v) {
    *v = number("PTX_CPU_DRIVER", 13000);
    return 0;
}
API cuDeviceGet(int *d, int n) {
    *d = n;
    return n == 0 ? 0 : 101;
}
API cuDeviceGetCount(int *n) {
    *n = 1;
    return 0;
}
API cuDeviceGetName(char *name, int length, int) {
    snprintf(name, length, "PTX on the CPU");
    return 0;
}
API cuDeviceTotalMem_v2(size_t *n, int) {
    *n = (size_t)number("PTX_CPU_MEMORY_MB", 4096) << 20;
    return 0;
}
API cuDeviceGetAttribute(int *v, int attribute, int) {
    int sm = number("PTX_CPU_SM", 90);
    switch (attribute) {
    case 1: *v = 1024; break;
    case 2:
    case 3: *v = 1024; break;
    case 4: *v = 64; break;
    case 5: *v = 2147483647; break;
    case 6:
    case 7: *v = 65535; break;
    case 8: *v = 49152; break;
    case 9: *v = 65536; break;
    case 10: *v = 32; break;
    case 11: *v = 2147483647; break;
    case 12: *v = 65536; break;
    case 13: *v = 1980000; break;
    case 16: *v = 132; break;
    case 36: *v = 2619000; break;
    case 37: *v = 5120; break;
    case 38: *v = 52428800; break;
    case 39: *v = 2048; break;
    case 75: *v = sm / 10; break;
    case 76: *v = sm % 10; break;
    case 81: *v = 233472; break;
    case 82: *v = 65536; break;
    default: *v = 0;
    }
    return 0;
}
API cuCtxCreate_v2(P *c, int, int) {
    *c = (P)1;
    return 0;
}
API cuCtxDestroy_v2(P) {
    if (getenv("PTX_CPU_COUNT")) fprintf(stderr, "ptx-cpu: %ld launches, %ld graphs\n", launches, graphLaunches);
    return 0;
}
API cuCtxSetCurrent(P) { return 0; }
API cuCtxSynchronize() { return refusedInCapture() ? unsupported : sticky; }
API cuCtxGetCacheConfig(int *v) {
    *v = 0;
    return 0;
}
API cuCtxSetCacheConfig(int) { return 0; }
API cuCtxGetSharedMemConfig(int *v) {
    *v = 1;
    return 0;
}
API cuCtxSetSharedMemConfig(int) { return 0; }
API cuDeviceCanAccessPeer(int *v, int, int) {
    *v = 0;
    return 0;
}
API cuCtxEnablePeerAccess(P, int) { return 217; }
API cuCtxDisablePeerAccess(P) { return 705; }
API cuDeviceGetP2PAttribute(int *v, int, int, int) {
    *v = 0;
    return 0;
}
API cuPointerGetAttribute(P, int, D) { return 1; }
API cuMemGetInfo_v2(size_t *f, size_t *t) {
    cuDeviceTotalMem_v2(t, 0);
    *f = *t - allocated;
    return 0;
}
API cuMemAlloc_v2(D *p, size_t n) {
    if (refusedInCapture()) return unsupported;
    size_t total;
    cuDeviceTotalMem_v2(&total, 0);
    if (allocated + n > total) return 2;
    void *m;
    if (posix_memalign(&m, 256, n + 256)) return 2;
    memset(m, 0xff, n); // NaN until something is written
    *p = (D)m;
    allocations[*p] = n;
    allocated += n;
    return 0;
}
API cuMemFree_v2(D p) {
    if (refusedInCapture()) return unsupported;
    auto at = allocations.find(p);
    if (at == allocations.end()) return 1;
    allocated -= at->second;
    allocations.erase(at);
    free((void *)p);
    return 0;
}
API cuMemAllocHost_v2(P *p, size_t n) {
    *p = malloc(n);
    return 0;
}
API cuMemFreeHost(P p) {
    free(p);
    return 0;
}
API cuMemcpyAsync(D to, D from, size_t n, P) {
    if (sticky) return sticky;
    if (refusedInCapture()) return unsupported;
    memmove((void *)to, (void *)from, n);
    return 0;
}
API cuMemsetD8Async(D to, unsigned char v, size_t n, P) {
    if (sticky) return sticky;
    if (refusedInCapture()) return unsupported;
    memset((void *)to, v, n);
    return 0;
}
API cuMemHostRegister_v2(P, size_t, int) { return 0; }
API cuMemHostUnregister(P) { return 0; }
API cuMemHostGetDevicePointer_v2(D *d, P h, int) {
    *d = (D)h;
    return 0;
}
API cuStreamCreate(P *s, int) {
    *s = new Stream;
    return 0;
}
API cuStreamCreateWithPriority(P *s, int, int) { return cuStreamCreate(s, 0); }
API cuStreamDestroy_v2(P s) {
    delete (Stream *)s;
    return 0;
}
API cuStreamSynchronize(P) { return refusedInCapture() ? unsupported : sticky; }
API cuStreamBeginCapture_v2(P s, int) {
    // The legacy stream cannot be captured.
    if (!s || captured || getenv("PTX_CPU_NO_GRAPHS")) return unsupported;
    captured = (Stream *)s;
    *captured = Stream();
    captured->capturing = true;
    return 0;
}
API cuStreamEndCapture(P s, P *graph) {
    *graph = nullptr;
    if (!s || captured != (Stream *)s) return unsupported;
    captured->capturing = false;
    captured = nullptr;
    if (((Stream *)s)->invalid) return invalidated;
    *graph = new Graph(std::move(((Stream *)s)->launches));
    return 0;
}
API cuGraphInstantiateWithFlags(P *executable, P graph, unsigned long long) {
    *executable = new Graph(*(Graph *)graph);
    return 0;
}
API cuGraphLaunch(P executable, P) {
    if (refusedInCapture()) return unsupported;
    graphLaunches++;
    for (auto &launch : *(Graph *)executable) {
        if (sticky) break;
        start(launch.function, launch.gx, launch.gy, launch.bx, launch.arguments.data());
    }
    return sticky;
}
API cuGraphDestroy(P graph) {
    delete (Graph *)graph;
    return 0;
}
API cuGraphExecDestroy(P executable) {
    delete (Graph *)executable;
    return 0;
}
API cuGetErrorString(int error, const char **text) {
    *text = error == 719 && !lastError.empty() ? lastError.c_str()
            : error == 218                     ? lastError.c_str()
            : error == 2                       ? "out of memory"
            : error == unsupported             ? "operation not permitted when stream is capturing"
            : error == invalidated             ? "operation failed due to a previous error during capture"
            : error                            ? "error"
                                               : "no error";
    return 0;
}
API cuModuleLoadDataEx(P *m, const char *ptx, int, P, P) {
    if (const char *folder = getenv("PTX_CPU_DUMP")) {
        static int count = 0;
        char path[4096];
        snprintf(path, sizeof path, "%s/%d.ptx", folder, count++);
        if (FILE *file = fopen(path, "w")) {
            fputs(ptx, file);
            fclose(file);
        }
    }
    try {
        Parser p;
        p.parse(ptx);
        auto *module = new Module;
        module->kernel = std::move(p.kernel);
        *m = module;
        return 0;
    } catch (Failure &f) {
        lastError = f.text;
        fprintf(stderr, "ptx-cpu: %s\n", f.text.c_str());
        return 218;
    }
}
API cuModuleLoadData(P *m, const char *ptx) { return cuModuleLoadDataEx(m, ptx, 0, nullptr, nullptr); }
API cuModuleUnload(P m) {
    delete (Module *)m;
    return 0;
}
API cuModuleGetFunction(P *f, P m, const char *) {
    *f = m;
    return 0;
}
API cuLaunchKernel(P f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned, P stream, P, P *extra) {
    if (sticky) return sticky;
    try {
        const Kernel &k = ((Module *)f)->kernel;
        const uint8_t *params = nullptr;
        size_t size = 0;
        for (int e = 0; extra[e]; e += 2)
            if (extra[e] == (P)1) params = (const uint8_t *)extra[e + 1];
            else if (extra[e] == (P)2) size = *(size_t *)extra[e + 1];
        if (!params || (int)size != k.params) fail("launch: %zu bytes of arguments for parameters of %d", size, k.params);
        if (gz != 1 || by != 1 || bz != 1 || gy > 65535 || gx < 1 || gy < 1 || bx > 1024)
            fail("launch: grid %u,%u,%u group %u,%u,%u", gx, gy, gz, bx, by, bz);
        if (k.shared > 49152) fail("launch: %d bytes of shared memory", k.shared);
        if (captured && stream == captured) {
            captured->launches.push_back({f, gx, gy, bx, std::vector<uint8_t>(params, params + size)});
            return 0;
        }
        if (refusedInCapture()) return unsupported;
        launches++;
        return start(f, gx, gy, bx, params);
    } catch (Failure &failure) {
        lastError = failure.text;
        fprintf(stderr, "ptx-cpu: %s\n", failure.text.c_str());
        return sticky = 719;
    }
}
API cuOccupancyMaxActiveBlocksPerMultiprocessor(int *n, P, int, size_t) {
    *n = 1;
    return 0;
}
API cuOccupancyMaxPotentialBlockSize(int *g, int *b, P, P, size_t, int) {
    *g = 1;
    *b = 256;
    return 0;
}
API cuEventCreate(P *e, int) {
    *e = (P)3;
    return 0;
}
API cuEventDestroy_v2(P) { return 0; }
API cuEventQuery(P) { return 0; }
API cuEventElapsedTime(float *ms, P, P) {
    *ms = 0;
    return 0;
}
API cuEventRecord(P, P) { return 0; }
API cuEventSynchronize(P) { return 0; }
