/* Two pictures that show the same place. */

/** Let each of two views follow the other, while `isOn()`. */
export function synchronise(one, other, isOn) {
  let isFollowing = false;
  const follow = (view, leader, options) => {
    if (isFollowing || !isOn()) return;
    isFollowing = true;
    view.map.setView(leader.center, leader.zoom, options);
    isFollowing = false;
  };
  for (const [leader, view] of [[one, other], [other, one]]) {
    leader.map.on("zoomanim", ({ center, zoom }) => follow(view, { center, zoom }, { animate: false }));
    leader.map.on("move", () => {
      follow(view, { center: leader.map.getCenter(), zoom: leader.map.getZoom() }, { animate: false });
    });
    leader.map.on("mousemove", ({ latlng }) => view.point(isOn() ? latlng : null));
    leader.map.on("mouseout", () => view.point(null));
  }
}
