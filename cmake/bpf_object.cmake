# <name>.bpf.c -> <name>.bpf.o (clang) -> <name>.skel.h (bpftool); the only rule that builds BPF.
find_program(BPF_CLANG NAMES clang-19 clang-18 clang-17 clang-16 clang REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /usr/lib/linux-tools-generic REQUIRED)

# -disable-block-placement: where a loop's end falls through to its beginning, the verifier of Linux 6.1 says "back-edge" and refuses the program. Left
# in the order of the text, loops end with a jump.
function(nodewall_bpf_object name target)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/include/bpf/${name}.skel.h)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${BPF_CLANG} -target bpf -mcpu=v3 -mllvm -disable-block-placement -g -O2 -Wall -Wextra -Werror -Wno-unused-function
            -I${PROJECT_SOURCE_DIR}/maps -I${CMAKE_CURRENT_SOURCE_DIR}
            -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -MD -MF ${object}.d -MT ${object}
            -c ${source} -o ${object}
    DEPENDS ${source}
    DEPFILE ${object}.d
    VERBATIM)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/include/bpf
    COMMAND sh -c "'${BPFTOOL}' gen skeleton '${object}' name ${name}_bpf > '${skeleton}'"
    DEPENDS ${object}
    VERBATIM)
  add_custom_target(${target}_files DEPENDS ${skeleton})
  add_library(${target} INTERFACE)
  add_dependencies(${target} ${target}_files)
  target_include_directories(${target} INTERFACE ${CMAKE_CURRENT_BINARY_DIR}/include)
endfunction()
