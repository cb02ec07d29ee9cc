// trace: one packet from flags, or a batch of them.
#include <fstream>
#include <iostream>

#include "arguments.h"
#include "inspect_node.h"
#include "inspect_trace.h"
#include "terminal.h"

namespace nodewall::cli {
namespace {

using nlohmann::json;

constexpr int kPrettyIndent = 2;
constexpr const char* kHint = "nodewall trace --help";

// The form that a line of a batch has, so that both are judged by one reader.
json packet_json(const PacketArguments& packet) {
  json value = json::object();
  for (const auto& [key, text] : {std::pair{"interface", &packet.interface},
                                  {"direction", &packet.direction},
                                  {"src", &packet.source},
                                  {"dst", &packet.destination},
                                  {"protocol", &packet.protocol},
                                  {"flags", &packet.flags}}) {
    if (!text->empty()) value[key] = *text;
  }
  for (const auto& [key, number] : {std::pair{"sport", &packet.source_port},
                                    {"dport", &packet.destination_port},
                                    {"type", &packet.type},
                                    {"code", &packet.code}}) {
    if (*number) value[key] = **number;
  }
  if (packet.forwarded) value["forwarded"] = true;
  return value;
}

int run_batch(engine::Tracer& tracer, const Arguments& arguments) {
  std::ios::sync_with_stdio(false);
  std::cin.tie(nullptr);
  if (arguments.batch == "-") return trace_batch(tracer, arguments.engine, std::cin, std::cout);
  std::ifstream file(arguments.batch);
  if (!file) return report(fail(Errc::not_found, "cannot open " + arguments.batch).error());
  return trace_batch(tracer, arguments.engine, file, std::cout);
}

int run_one(engine::Tracer& tracer, const Arguments& arguments) {
  const auto answer = trace_packet(tracer, arguments.engine, packet_json(arguments.packet));
  if (arguments.json || arguments.pretty) {
    print(json_text(answer.answer, arguments.pretty ? kPrettyIndent : -1) + "\n");
  } else if (answer.failed) {
    complain(answer.answer.value("error", ""));
  } else {
    print(trace_text(answer));
  }
  return exit_code_of(answer);
}

}  // namespace

void declare_trace(CLI::App& app, Arguments& arguments) {
  auto& packet = arguments.packet;
  app.add_option("--interface", packet.interface, "Interface that the packet is on");
  app.add_option("--direction", packet.direction, "ingress or egress, seen from the host");
  app.add_option("--src", packet.source, "Source address");
  app.add_option("--dst", packet.destination, "Destination address");
  app.add_option("--protocol", packet.protocol, "TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or a number");
  app.add_option("--sport", packet.source_port, "Source port");
  app.add_option("--dport", packet.destination_port, "Destination port");
  app.add_option("--type", packet.type, "ICMP type");
  app.add_option("--code", packet.code, "ICMP code");
  app.add_option("--flags", packet.flags, "TCP flags, letters of FSRPAU (default S)");
  app.add_flag("--forwarded", packet.forwarded, "At egress: it came in by another interface");
  app.add_option("--engine", arguments.engine, "Who answers: oracle, image, program or all (default)")
      ->check(CLI::IsMember({"oracle", "image", "program", "all"}));
  app.add_option("--batch", arguments.batch, "File of packets, JSON, one a line; - for standard input");
  app.add_option("--node", arguments.node, "Answer for this node (default: the daemon's, else this machine)");
  app.add_option("--facts", arguments.facts, "File that names the interfaces (default: the live ones)");
  app.add_flag("-j,--json", arguments.json, "JSON on one line");
  app.add_flag("-p,--pretty", arguments.pretty, "JSON, indented");
}

int run_trace(const Arguments& arguments) {
  const auto packet = packet_json(arguments.packet);
  if (arguments.batch.empty() == packet.empty()) {
    return usage("trace wants the flags of a packet, or --batch FILE", kHint);
  }
  std::vector<std::string> warnings;
  TraceSource source{.datastore = arguments.datastore, .node = arguments.node, .facts_file = arguments.facts};
  // The live interfaces are the daemon's: so are its name and datastore, unless others are asked for.
  if (source.facts_file.empty())
    if (const auto view = view_node({}); view && view->state) fill_from_daemon(source, *view->state);
  auto tracer = open_tracer(source, warnings);
  for (const auto& warning : warnings) warn(warning);
  if (!tracer) return report(tracer.error());
  return arguments.batch.empty() ? run_one(*tracer, arguments) : run_batch(*tracer, arguments);
}

}  // namespace nodewall::cli
