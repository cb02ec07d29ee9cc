// The documents that `-f` names: files, directories (their *.yaml, *.yml and *.json, by path), standard input.
#pragma once

#include <string>
#include <vector>

#include "arguments.h"
#include "base/result.h"
#include "config/decode.h"

namespace nodewall::cli {

// Everything decoded, in order. Errc::not_found for a file that cannot be opened; Errc::config for a file without resources,
// unless --skip-empty. Faults inside the documents are in Decoded::diagnostics.
Result<config::Decoded> read_input(const Arguments& arguments);

}  // namespace nodewall::cli
