#include "patch.h"

#include <fmt/format.h>

namespace nodewall::cli {
namespace {

using nlohmann::json;

constexpr int kMostDepth = 64;
constexpr const char* kDirective = "$patch";

Result<json> parse(const std::string& text) {
  bool too_deep = false;
  const auto guard = [&](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > kMostDepth;
    return !too_deep;
  };
  auto value = json::parse(text, guard, /*allow_exceptions=*/false);
  if (too_deep) return fail(Errc::config, fmt::format("the patch is nested more than {} levels deep", kMostDepth));
  if (value.is_discarded()) return fail(Errc::config, "the patch is not JSON");
  return value;
}

Status merge_strategic(json& target, const json& patch);

Status merge_field(json& target, const std::string& key, const json& value) {
  if (value.is_null()) {
    target.erase(key);
    return {};
  }
  if (!value.is_object()) {
    target[key] = value;
    return {};
  }
  if (const auto directive = value.find(kDirective); directive != value.end()) {
    auto rest = value;
    rest.erase(kDirective);
    if (*directive == "delete") {
      target.erase(key);
    } else if (*directive == "replace") {
      target[key] = std::move(rest);
    } else if (*directive == "merge") {
      return merge_strategic(target[key], rest);
    } else {
      return fail(Errc::config, fmt::format("the patch has \"$patch\": {} in \"{}\": merge, replace or delete",
                                            directive->dump(), key));
    }
    return {};
  }
  return merge_strategic(target[key], value);
}

Status merge_strategic(json& target, const json& patch) {
  if (!target.is_object()) target = json::object();
  for (const auto& [key, value] : patch.items()) {
    if (key.starts_with('$')) {
      return fail(Errc::config, fmt::format("the patch directive \"{}\" is not supported here", key));
    }
    if (auto done = merge_field(target, key, value); !done) return done;
  }
  return {};
}

Result<json> apply_operations(const json& value, const json& operations) {
  if (!operations.is_array()) return fail(Errc::config, "a patch of type json is a list of operations");
  // The library's way to say that an operation does not fit is to throw.
  try {
    return value.patch(operations);
  } catch (const json::exception& error) {
    return fail(Errc::config, fmt::format("the patch cannot be applied: {}", error.what()));
  }
}

}  // namespace

Result<json> patched(const json& value, const std::string& text, PatchKind kind) {
  const auto patch = parse(text);
  if (!patch) return fail(patch.error());
  if (kind == PatchKind::json) return apply_operations(value, *patch);
  if (!patch->is_object()) return fail(Errc::config, "the patch is not a JSON object");
  auto result = value;
  if (kind == PatchKind::merge) {
    result.merge_patch(*patch);
    return result;
  }
  if (auto done = merge_strategic(result, *patch); !done) return fail(done.error());
  return result;
}

}  // namespace nodewall::cli
