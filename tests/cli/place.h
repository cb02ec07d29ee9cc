// A Place is a temporary directory with a datastore in which the built `nodewall` is run.
#pragma once

#include <string>
#include <vector>

namespace nodewall::test {

struct Outcome {
  int code = -1;
  std::string out, err;
};

class Place {
 public:
  Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place();

  [[nodiscard]] std::string path(const std::string& name) const { return root_ + "/" + name; }
  [[nodiscard]] std::string manifests() const { return path("manifests"); }
  // Writes a file below the place (directories are made) and returns its path.
  std::string write(const std::string& name, const std::string& text) const;

  // Runs `nodewall` with NODEWALL_DATASTORE, NODEWALL_STATE_DIR and NODEWALL_RUN_DIR inside this place.
  [[nodiscard]] Outcome run(const std::vector<std::string>& arguments, const std::string& input = "") const;
  // The same for what must succeed; fails the test otherwise. Returns what it printed.
  std::string done(const std::vector<std::string>& arguments, const std::string& input = "") const;

 private:
  std::string root_;
};

// Manifests.
std::string host_endpoint(const std::string& name, const std::string& spec = "", const std::string& labels = "");
std::string policy(const std::string& name, const std::string& spec = "");

// True if the text has a byte that a terminal obeys; line breaks are none.
bool has_control_bytes(const std::string& text);

}  // namespace nodewall::test
