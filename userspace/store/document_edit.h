// Changing one object in a file that people wrote: the other documents keep their bytes, and the document itself its head
// (comments before its first key) and its trailing comments. Private to this room.
//
// A document that holds several objects (a List, a sequence) is written anew as a whole. The result is decoded before it is
// returned: it holds what the text held, but for the one object.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/resources.h"

namespace nodewall::store {

// The text of one object alone: YAML, or JSON for a file called *.json.
std::string object_text(const model::Resource& resource, std::string_view file);

// Errc::conflict when the document that holds the object has faults that belong to other objects.
Result<std::string> replace_object(std::string_view text, std::string_view file, const model::Resource& resource);
// Without the object; only blank lines, comments and markers left: an empty string.
Result<std::string> remove_object(std::string_view text, std::string_view file, const model::ResourceId& id);

}  // namespace nodewall::store
