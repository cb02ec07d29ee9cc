// Preloaded into a test program by tools/mutate: instead of the object that was built into it, it opens the one in the file
// NODEWALL_OBJECT. So a changed program costs one run of the compiler, and no linking.
#define _GNU_SOURCE
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*open_function)(struct bpf_object_skeleton*, const struct bpf_object_open_opts*);

// A file that can't be read must not look like a test that failed.
static void give_up(const char* path) {
  perror(path);
  abort();
}

static void* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) give_up(path);
  const long length = ftell(file);
  void* bytes = length > 0 ? malloc((size_t)length) : NULL;
  rewind(file);
  if (!bytes || fread(bytes, 1, (size_t)length, file) != (size_t)length) give_up(path);
  fclose(file);
  *size = (size_t)length;
  return bytes;
}

int bpf_object__open_skeleton(struct bpf_object_skeleton* skeleton, const struct bpf_object_open_opts* options) {
  static void* bytes;
  static size_t size;
  const open_function open_it = (open_function)dlsym(RTLD_NEXT, "bpf_object__open_skeleton");
  // A test's own programs stay as they are.
  if (strcmp(skeleton->name, "nodewall_bpf") != 0) return open_it(skeleton, options);
  const char* path = getenv("NODEWALL_OBJECT");
  if (!path) give_up("NODEWALL_OBJECT");
  if (!bytes) bytes = read_file(path, &size);
  skeleton->data = bytes;
  skeleton->data_sz = size;
  return open_it(skeleton, options);
}
