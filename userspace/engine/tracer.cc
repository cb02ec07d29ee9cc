#include "engine/tracer.h"

#include <algorithm>
#include <optional>

#include "compile/table_image.h"
#include "engine/test_program.h"
#include "oracle/oracle.h"

namespace nodewall::engine {

std::string_view name(TraceEngine engine) {
  switch (engine) {
    case TraceEngine::oracle: return "oracle";
    case TraceEngine::image: return "image";
    case TraceEngine::program: return "program";
  }
  return "oracle";
}

struct Tracer::State {
  resolve::Resolved resolved;
  resolve::NodeFacts facts;
  compile::Slots slots;
  std::optional<compile::TableImage> image;
  std::optional<TestProgram> program;

  Status need_image();
  Status need_program();
  Result<resolve::Judgement> by_image(const resolve::PacketQuery& packet);
  Result<resolve::Judgement> by_program(const resolve::PacketQuery& packet);
};

Status Tracer::State::need_image() {
  if (image) return {};
  slots = compile::assign_slots({}, resolved);
  auto compiled = compile::compile(resolved, slots);
  if (!compiled) return fail(std::move(compiled.error()).in("compile"));
  image = std::move(*compiled);
  return {};
}

Status Tracer::State::need_program() {
  if (program) return {};
  if (auto done = need_image(); !done) return done;
  auto opened = TestProgram::open();
  if (!opened) return fail(std::move(opened.error()).in("program"));
  if (auto done = opened->load(resolved, facts, slots, *image); !done) return done;
  program.emplace(std::move(*opened));
  return {};
}

Result<resolve::Judgement> Tracer::State::by_image(const resolve::PacketQuery& packet) {
  if (auto done = need_image(); !done) return fail(done.error());
  return oracle::judge(resolved, packet, [&](std::uint32_t endpoint, std::uint32_t variant, std::uint32_t chain, const resolve::PacketQuery& it) {
    return compile::ask(*image, slots.endpoints.at(resolved.endpoints[endpoint].host_endpoint), variant, chain, it);
  });
}

Result<resolve::Judgement> Tracer::State::by_program(const resolve::PacketQuery& packet) {
  if (auto done = need_program(); !done) return fail(done.error());
  auto judged = program->judge(packet.direction == NW_INGRESS ? kernel::Hook::tc_ingress : kernel::Hook::tc_egress, packet);
  if (!judged) return fail(std::move(judged.error()).in("program"));
  return judged;
}

Tracer::Tracer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tracer::Tracer(Tracer&&) noexcept = default;
Tracer& Tracer::operator=(Tracer&&) noexcept = default;
Tracer::~Tracer() = default;

Tracer Tracer::make(resolve::Resolved resolved, const resolve::NodeFacts& facts) {
  auto state = std::make_unique<State>();
  state->resolved = std::move(resolved);
  state->facts = facts;
  return Tracer(std::move(state));
}

Result<resolve::Judgement> Tracer::judge(TraceEngine engine, const resolve::PacketQuery& packet) {
  if (std::ranges::find(state_->facts.interfaces, packet.interface, &resolve::InterfaceFacts::name) == state_->facts.interfaces.end()) {
    return fail(Errc::not_found, "the node has no interface " + packet.interface);
  }
  switch (engine) {
    case TraceEngine::oracle: return oracle::judge(state_->resolved, packet);
    case TraceEngine::image: return state_->by_image(packet);
    case TraceEngine::program: return state_->by_program(packet);
  }
  return fail(Errc::internal, "no such engine");
}

}  // namespace nodewall::engine
